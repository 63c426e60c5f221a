"""Ed25519: the vectors of RFC 8032, and that nothing altered passes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fiscus.errors import InvalidInput
from fiscus.workflow.identity.signatures import approval_message, new_key, sign, verify

RFC_8032 = {  # Section 7.1: secret key, public key, message, signature.
    "1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    "2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    "3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
}


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize("name", sorted(RFC_8032))
def test_published_vectors(name):
    secret, public, message, signature = RFC_8032[name]
    assert verify(public, bytes.fromhex(message), signature)
    pem = pem_of(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    assert sign(pem, bytes.fromhex(message)) == signature


def test_every_flipped_bit_of_a_signature_is_found():
    _, public, message, signature = RFC_8032["3"]
    raw = bytes.fromhex(signature)
    for bit in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        assert not verify(public, bytes.fromhex(message), altered.hex())


def test_altered_messages_and_other_keys_fail():
    pem, public = new_key()
    message = approval_message("p1", "ab" * 32, "ann", "")
    signature = sign(pem, message)
    assert verify(public, message, signature)
    for altered in (
        approval_message("p2", "ab" * 32, "ann", ""),
        approval_message("p1", "ac" + "ab" * 31, "ann", ""),
        approval_message("p1", "ab" * 32, "ben", ""),
        approval_message("p1", "ab" * 32, "ann", "ben"),
        message + b" ",
        b"",
    ):
        assert not verify(public, altered, signature)
    assert not verify(new_key()[1], message, signature)


def test_what_is_no_signature_or_key_fails_quietly():
    pem, public = new_key()
    signature = sign(pem, b"m")
    for broken in ("", "zz", signature[:-2], signature + "00", signature[:-1]):
        assert not verify(public, b"m", broken)
    for broken in ("", "zz", public[:-2], public + "00"):
        assert not verify(broken, b"m", signature)


def test_keys_that_cannot_sign_are_told():
    with pytest.raises(InvalidInput, match="cannot be read"):
        sign("no key", b"m")
    with pytest.raises(InvalidInput, match="no Ed25519"):
        sign(pem_of(generate_private_key(SECP256R1())), b"m")
    locked = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(InvalidInput, match="without password"):
        sign(locked.decode(), b"m")
