"""The authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636): the only module that speaks to a provider.

Authlib has the protocol, joserfc the signatures; here is which of it is asked for, and what must be true of an answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlencode

import httpx
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

from fiscus.errors import ProviderAway, ProviderWrong, Refused
from fiscus.integrate.openid.provider import Endpoints, Provider, endpoints_of

TIMEOUT = httpx.Timeout(5.0)
BUSY = (408, 425, 429)
"""Answers that pass by waiting, besides all from 500 on."""

LARGEST = 1024 * 1024
"""Bytes of an answer, at most."""

KEPT = 3_600.0
"""Seconds that what a provider says about itself, and its keys, are kept: a key that it takes back counts no longer than this."""

LEEWAY = timedelta(seconds=60)
"""By how much its clock and ours may differ."""

OLDEST = timedelta(hours=12)
"""At an ordinary sign-in the provider asks again whoever said who they are longer ago than this."""

LONGEST_SUBJECT = 255
"""Signs, as OpenID Connect Core 1.0, section 2, has it."""

UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a hostile token may end in."""


@dataclass(frozen=True)
class Account:
    """Somebody, as a provider knows them.

    Attributes:
        issuer: The provider.
        subject: Its name for them, which never becomes another's.
        email: Address; empty for none.
        verified: Whether the provider found that the address is theirs.
        asked: When it last asked them who they are; None where it does not say.
        access: Token for more about them; kept nowhere.
    """

    issuer: str
    subject: str
    email: str = ""
    verified: bool = False
    asked: datetime | None = None
    access: str = field(default="", repr=False)


class Client:
    """Speaks to one provider, for one server. May be used by many threads.

    Args:
        provider: Which.
        redirect: URL that people come back to; the provider has to know exactly this one.
    """

    def __init__(self, provider: Provider, redirect: str) -> None:
        self.provider, self.redirect = provider, redirect
        self._endpoints: tuple[float, Endpoints] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def endpoints(self) -> Endpoints:
        """What the provider says about itself, asked for once an hour.

        Raises:
            ProviderAway: Where it cannot be reached.
            ProviderWrong: Where what it says cannot be used.
        """
        kept = self._endpoints
        if kept is None or time.monotonic() > kept[0] + KEPT:
            where = get_well_known_url(self.provider.issuer, external=True)
            kept = (time.monotonic(), endpoints_of(_json(where), self.provider.issuer, where))
            self._endpoints = kept
        return kept[1]

    def address(self, state: str, nonce: str, verifier: str, *, again: bool = False) -> str:
        """Where to send somebody to sign in; errors as of ``endpoints``.

        Args:
            state: Comes back with them.
            nonce: Comes back inside the ID token.
            verifier: Of PKCE; only its hash goes out.
            again: Whether they have to say who they are even where the provider knows.
        """
        how = {"prompt": "login", "max_age": "0"} if again else {"max_age": str(int(OLDEST.total_seconds()))}
        found = self.endpoints()
        url, _ = self._oauth(found).create_authorization_url(
            found.authorization, state=state, code_verifier=verifier, nonce=nonce, **how
        )
        return str(url)

    def must_be_from(self, issuer: str | None, *, failed: bool) -> None:
        """Refuse what another provider sent (RFC 9207).

        Args:
            issuer: As the answer names it; None where it does not.
            failed: Whether it is an error, which lets nobody in: there a provider may forget its name, and some do.

        Raises:
            ProviderWrong: Where it is another, or none and the provider says that it always names itself.
        """
        silent = issuer is None and (failed or not self.endpoints().names_itself)
        if issuer != self.provider.issuer and not silent:
            raise ProviderWrong(f"This answer is not from {self.provider.name}. Nothing of it was used.")

    def account(
        self, code: str, verifier: str, nonce: str, at: datetime, asked_since: datetime | None = None
    ) -> Account:
        """Whom a code stands for.

        Args:
            code: As it came back.
            verifier: Of PKCE.
            nonce: That was sent.
            at: Now.
            asked_since: Since when the provider must have asked them who they are; None for no matter when.

        Raises:
            ProviderAway: Where it cannot be reached.
            ProviderWrong: Where what it answers cannot be trusted.
            Refused: Where it does not take the code, or did not ask them again.
        """
        token = self._token(code, verifier)
        claims = self._claims(token, nonce, at)
        account = self._account(claims, str(token.get("access_token") or ""), at)
        if asked_since is not None and (account.asked is None or account.asked < asked_since - LEEWAY):
            raise Refused(
                "identity.account",
                f"{self.provider.name} did not ask you again who you are, or does not say that it did. Sign out there and "
                "try again, or ask an administrator for a password link.",
            )
        return account

    def with_address(self, account: Account) -> Account:
        """The account with the address that the provider tells apart from the ID token, where there is one."""
        where = self.endpoints().userinfo
        if account.email or not where or not account.access:
            return account
        told = _json(where, {"authorization": f"Bearer {account.access}"})
        if told.get("sub") != account.subject:
            raise ProviderWrong(
                f"{self.provider.name} told about somebody else than was asked for. Nothing of it was used."
            )
        return replace(account, **_address(told))

    def _oauth(self, found: Endpoints) -> Any:
        return OAuth2Client(
            session=_Session(),
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            token_endpoint_auth_method=found.method,
            scope="openid email" if self.provider.by_email else "openid",
            redirect_uri=self.redirect,
            code_challenge_method="S256",
        )

    def _token(self, code: str, verifier: str) -> dict[str, Any]:
        found, name = self.endpoints(), self.provider.name
        try:
            token = self._oauth(found).fetch_token(
                found.token, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        except OAuth2Error as error:
            if error.error == "invalid_grant":
                raise Refused(
                    "identity.account", f"{name} does not take this sign-in any more. Begin again."
                ) from error
            self._wrong(f"{name} refuses this server: an administrator has to look at its client id and secret.", error)
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in BUSY and error.response.status_code < 500:
                self._wrong(f"What {name} answered cannot be read.", error)
            raise ProviderAway(f"{name} failed to answer. Try again later, or sign in with a password.") from error
        except UNREADABLE as error:
            self._wrong(f"What {name} answered cannot be read.", error)
        return dict(token)

    def _wrong(self, words: str, error: Exception) -> NoReturn:
        raise ProviderWrong(words) from error

    def _claims(self, token: Mapping[str, Any], nonce: str, at: datetime) -> dict[str, Any]:
        """What the ID token says, after everything about it was checked (OpenID Connect Core 1.0, section 3.1.3.7)."""
        us, them = self.provider.client_id, self.provider.issuer
        must = {"iss": them, "aud": us, "nonce": nonce}
        options: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in must.items()}
        known = {"nonce": nonce, "client_id": us, "access_token": token.get("access_token")}
        try:
            read = self._verified(token["id_token"])
            claims = CodeIDToken(read.claims, read.header, options | {"sub": {"essential": True}}, known)
            claims.validate(now=int(at.timestamp()), leeway=int(LEEWAY.total_seconds()))
        except UNREADABLE as error:
            self._wrong(f"What {self.provider.name} says about you cannot be trusted: {_reason(error)}.", error)
        return dict(claims)

    def _verified(self, token: str) -> jwt.Token:
        """The ID token, where its signature is of a key of the provider; one that we do not know yet makes us ask for them anew."""
        registry = JWSRegistry(algorithms=self.endpoints().algorithms, strict_check_header=False)
        try:
            return jwt.decode(token, key=self._key_set(), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(token, key=self._key_set(fresh=True), registry=registry)

    def _key_set(self, *, fresh: bool = False) -> KeySet:
        kept = self._keys
        if fresh or kept is None or time.monotonic() > kept[0] + KEPT:
            kept = (time.monotonic(), _keys_of(_json(self.endpoints().keys)))
            self._keys = kept
        return kept[1]

    def _account(self, claims: Mapping[str, Any], access: str, at: datetime) -> Account:
        subject, asked = claims["sub"], claims.get("auth_time")
        if not subject.isprintable() or len(subject) > LONGEST_SUBJECT:
            raise ProviderWrong(
                f"{self.provider.name} gives a name for you that is longer than {LONGEST_SUBJECT} signs, or none."
            )
        try:
            moment = None if asked is None else datetime.fromtimestamp(asked, UTC)
        except (ValueError, OverflowError, OSError, TypeError) as error:
            self._wrong(f"{self.provider.name} says that you signed in at a moment that is none.", error)
        if moment is not None and moment > at + LEEWAY:
            raise ProviderWrong(f"{self.provider.name} says that you signed in at a moment that is still to come.")
        return Account(self.provider.issuer, subject, asked=moment, access=access, **_address(claims))


class _Session:
    """The part of a session that Authlib asks of one."""

    def post(self, url: str, data: dict[str, str], headers: Mapping[str, str], auth: ClientAuth) -> httpx.Response:
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _ask("POST", url, headers=sent, content=body)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom TLS trusts; read once, since that takes its time."""
    return httpx.create_ssl_context()


def _ask(method: str, url: str, **options: Any) -> httpx.Response:
    """One request; nothing is followed elsewhere, and no answer is read beyond its largest size."""
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False, verify=_trusted()) as http,
            http.stream(method, url, **options) as answer,
        ):
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise ProviderWrong(f"{url} answers with more than {LARGEST:,} bytes.")
            return httpx.Response(answer.status_code, content=body, request=answer.request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderAway(f"{url} cannot be reached ({type(error).__name__}). Try again later.") from error


def _json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    answer = _ask("GET", url, headers={"accept": "application/json", **(headers or {})})
    if answer.status_code >= 500 or answer.status_code in BUSY:
        raise ProviderAway(f"{url} answers {answer.status_code}. Try again later.")
    try:
        found = answer.json() if answer.status_code == 200 else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderWrong(f"{url} answers {answer.status_code}, and not with a JSON object.")
    return found


def _keys_of(document: Mapping[str, Any]) -> KeySet:
    """Public keys; those of kinds that are not known here are left out, and so are secrets, which no signature is believed of."""
    found: list[Any] = []
    listed = document.get("keys")
    for each in listed if isinstance(listed, list) else []:
        try:
            if each["kty"] != "oct":
                found.append(JWKRegistry.import_key(each))
        except UNREADABLE:
            continue
    if not found:
        raise ProviderWrong("The OpenID provider publishes no public key, so nothing it says could be checked.")
    return KeySet(found)


def _address(told: Mapping[str, Any]) -> dict[str, Any]:
    email, verified = told.get("email"), told.get("email_verified")
    return {"email": email if isinstance(email, str) else "", "verified": verified is True or verified == "true"}


def _reason(error: Exception) -> str:
    """In words; never with what was in the token."""
    if isinstance(error, ExpiredTokenError):
        return "it is over already (exp)"
    if isinstance(error, ClaimError):
        return f"its {error.claim} is missing or not what it has to be"
    if isinstance(error, BadSignatureError):
        return "its signature is of none of its keys"
    if isinstance(error, InvalidKeyIdError):
        return "it is signed with a key that is not published"
    if isinstance(error, UnsupportedAlgorithmError):
        return "it is signed in a way that is not believed"
    return "it cannot be read"
