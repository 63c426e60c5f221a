"""What a provider must say about itself, and what whoever starts a server must say about it."""

from __future__ import annotations

import pytest

from fiscus.errors import InvalidInput, ProviderWrong
from fiscus.integrate.openid.provider import SECRET, confidential, endpoints_of, provider_from

ISSUER, WHERE = "https://login.example.org", "https://login.example.org/.well-known/openid-configuration"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "response_types_supported": ["code", "id_token"],
    "id_token_signing_alg_values_supported": ["HS256", "none", "ES256", "RS256"],
}


def test_what_is_left_out_is_what_the_standard_says():
    found = endpoints_of(DOCUMENT, ISSUER, WHERE)
    assert (found.authorization, found.token, found.keys) == tuple(
        f"{ISSUER}/{n}" for n in ("authorize", "token", "keys")
    )
    assert found.algorithms == ("RS256", "ES256")
    assert (found.userinfo, found.method, found.names_itself) == ("", "client_secret_basic", False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": f"{ISSUER}/"}, "exactly as the provider calls itself"),
        ({"issuer": None}, "describes the issuer None"),
        ({"issuer": "x" * 5_000}, "..."),
        ({"token_endpoint": None}, "token_endpoint"),
        ({"token_endpoint": "http://login.example.org/token"}, "https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": 7}, "authorization_endpoint"),
        ({"jwks_uri": "//login.example.org"}, "jwks_uri"),
        ({"jwks_uri": "https://login.example.org:x/"}, "jwks_uri"),
        ({"userinfo_endpoint": "http://login.example.org"}, "userinfo_endpoint"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "signs with none of"),
        ({"id_token_signing_alg_values_supported": "RS256"}, "no list of words"),
        ({"id_token_signing_alg_values_supported": [["RS256"]]}, "no list of words"),
        ({"response_types_supported": ["id_token"]}, "authorization code flow"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "client's secret"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(change, words):
    with pytest.raises(ProviderWrong) as told:
        endpoints_of({**DOCUMENT, **change}, ISSUER, WHERE)
    assert words in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("url", "is_it"),
    [
        ("https://login.example.org/realms/city", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080/o", True),
        ("http://[::1]:8080", True),
        ("http://login.example.org", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://user@login.example.org", False),
        ("https://login.example.org/#x", False),
        ("https://", False),
        ("login.example.org", False),
        ("https://[::1", False),
        ("https://login.example.org/a b", False),
        ("", False),
    ],
)
def test_what_is_sent_stays_between_two(url, is_it):
    assert confidential(url) == is_it


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (("", "us"), {}, "--oidc-issuer"),
        ((ISSUER, ""), {SECRET: "s"}, "--oidc-client-id"),
        ((ISSUER, "us"), {}, SECRET),
        ((ISSUER, "us"), {SECRET: ""}, SECRET),
        ((ISSUER, "us"), {SECRET: "s\n"}, SECRET),
        (("http://login.example.org", "us"), {SECRET: "s"}, "https"),
        ((f"{ISSUER}?x=y", "us"), {SECRET: "s"}, "https"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(options, environment, words):
    with pytest.raises(InvalidInput, match=words):
        provider_from(*options, environment)


def test_a_provider_is_wanted_only_where_an_option_says_so():
    assert provider_from("", "", {SECRET: "s"}) is None
    with pytest.raises(InvalidInput, match="--oidc-issuer"):
        provider_from("", "", {SECRET: "s"}, by_email=False)
    made = provider_from(ISSUER, "us", {SECRET: "s3cret"}, name="City login")
    assert (made.name, made.by_email) == ("City login", True)
    assert "s3cret" not in repr(made)
