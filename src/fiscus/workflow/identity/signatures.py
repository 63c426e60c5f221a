"""Ed25519 signatures over approvals (RFC 8032)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fiscus.errors import InvalidInput
from fiscus.workflow.canonical import canonical


def new_key() -> tuple[str, str]:
    """A private key in PEM, and its public key in hexadecimal."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return pem, public.hex()


def approval_message(proposal: str, hash_: str, person: str, behalf: str) -> bytes:
    """What an approver signs: that this person approves this version of this proposal, for whom."""
    return canonical({"approve": proposal, "hash": hash_, "person": person, "behalf": behalf})


def sign(private_pem: str, message: bytes) -> str:
    """A signature, hexadecimal.

    Raises:
        InvalidInput: Where the key is no Ed25519 key in PEM.
    """
    try:
        key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidInput("the private key cannot be read: it is a PEM file without password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("the private key is no Ed25519 key")
    return key.sign(message).hex()


def verify(public: str, message: bytes, signature: str) -> bool:
    """Whether a signature is one of a key over a message."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
