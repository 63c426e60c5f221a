"""An OpenID provider as whoever starts a server names it, and as it describes itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fiscus.errors import InvalidInput, ProviderWrong

SECRET = "FISCUS_OIDC_CLIENT_SECRET"
"""Environment variable: secrets are not for command lines, where everybody on the machine may read them."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that are believed: those of a private key. None at all, and those of a secret that two know, are not."""

METHODS = ("client_secret_basic", "client_secret_post")
"""How we say who we are, the first that the provider takes."""


@dataclass(frozen=True)
class Provider:
    """An OpenID provider that people may sign in with.

    Attributes:
        issuer: Its URL; what it can do is read from ``/.well-known/openid-configuration`` below it.
        client_id: What it calls us.
        client_secret: What it knows us by.
        name: On the button.
        by_email: Whether an account whose verified address is a person's is theirs at the first sign-in.

    Raises:
        InvalidInput: Where one of them is missing or cannot be.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"
    by_email: bool = True

    def __post_init__(self) -> None:
        if not confidential(self.issuer) or urlsplit(self.issuer).query:
            raise InvalidInput(
                f"the OpenID issuer {self.issuer!r} must look like https://login.example.org; http is for this machine alone"
            )
        if not self.client_id or not self.client_id.isprintable() or not self.client_id.isascii():
            raise InvalidInput("--oidc-client-id: say what the OpenID provider calls this server")
        if not self.client_secret or not self.client_secret.isprintable() or not self.client_secret.isascii():
            raise InvalidInput(
                f"the environment variable {SECRET} must hold the secret that the OpenID provider gave for {self.client_id}"
            )
        if not self.name.strip():
            raise InvalidInput("--oidc-name: say what people call the OpenID provider")


def provider_from(
    issuer: str, client_id: str, environment: Mapping[str, str], *, name: str = "", by_email: bool = True
) -> Provider | None:
    """The provider that options and the environment name; None where no option names any.

    Raises:
        InvalidInput: Where only a part of it is there.
    """
    if not issuer and not client_id and not name and by_email:
        return None
    if not issuer:
        raise InvalidInput("--oidc-issuer: say at which OpenID provider people sign in")
    secret = environment.get(SECRET, "")
    return Provider(issuer, client_id, secret, name or Provider.name, by_email)


def confidential(url: str) -> bool:
    """Whether what is sent to a URL stays between the two: TLS, or this very machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = host and url.isascii() and url.isprintable() and " " not in url
    if not plain or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _here(host))


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Endpoints:
    """What a provider says about itself (OpenID Connect Discovery 1.0, section 3).

    Attributes:
        authorization: Where people sign in.
        token: Where a code becomes an ID token.
        keys: Where its public keys are.
        userinfo: Where it tells more about people; empty for nowhere.
        algorithms: Of its signatures, those that are believed.
        method: How we say who we are.
        names_itself: Whether every answer that comes back with a browser says who it is from (RFC 9207).
    """

    authorization: str
    token: str
    keys: str
    userinfo: str
    algorithms: tuple[str, ...]
    method: str
    names_itself: bool


def endpoints_of(document: Mapping[str, Any], issuer: str, where: str) -> Endpoints:
    """Read a discovery document.

    Args:
        document: As it came.
        issuer: That was asked for.
        where: It came from.

    Raises:
        ProviderWrong: With what is missing or cannot be.
    """
    if document.get("issuer") != issuer:
        raise ProviderWrong(
            f"{where} describes the issuer {_short(document.get('issuer'))}, not {issuer!r}: "
            "write --oidc-issuer exactly as the provider calls itself."
        )
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        url = document.get(name, "")
        missing = name != "userinfo_endpoint" and not url
        if missing or (url and not (isinstance(url, str) and confidential(url))):
            raise ProviderWrong(f"{where}: {name} is {_short(document.get(name))}, which must be an https address.")
    signed = _among(document, "id_token_signing_alg_values_supported", ["RS256"], where)
    algorithms = tuple(name for name in ALGORITHMS if name in signed)
    if not algorithms:
        raise ProviderWrong(
            f"{where}: it signs with none of {', '.join(ALGORITHMS)}, so nothing it says could be checked."
        )
    if "code" not in _among(document, "response_types_supported", ["code"], where):
        raise ProviderWrong(f"{where}: it does not offer the authorization code flow (response type code).")
    if "S256" not in _among(document, "code_challenge_methods_supported", ["S256"], where):
        raise ProviderWrong(f"{where}: it does not offer PKCE with S256.")
    taken = _among(document, "token_endpoint_auth_methods_supported", ["client_secret_basic"], where)
    methods = [name for name in METHODS if name in taken]
    if not methods:
        raise ProviderWrong(f"{where}: it takes the client's secret by none of {', '.join(METHODS)}.")
    return Endpoints(
        document["authorization_endpoint"],
        document["token_endpoint"],
        document["jwks_uri"],
        document.get("userinfo_endpoint", ""),
        algorithms,
        methods[0],
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def _among(document: Mapping[str, Any], name: str, otherwise: list[str], where: str) -> list[str]:
    """A list of words of the document; what holds where it has none."""
    found = document.get(name, otherwise)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ProviderWrong(f"{where}: {name} is no list of words.")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
