"""``fiscus serve`` as it starts: what it says, and what it does not start with."""

from __future__ import annotations

import socket

import pytest

from fiscus.integrate.openid.provider import SECRET

ISSUER = ("--oidc-issuer", "http://127.0.0.1:1/o", "--oidc-client-id", "us")


@pytest.fixture
def started(monkeypatch):
    """Settings of servers that would have run."""
    made = []
    monkeypatch.delenv(SECRET, raising=False)
    monkeypatch.setattr("fiscus.web.serve.serve", lambda office, settings, host, port, notify: made.append(settings))
    return made


def test_without_a_provider_nothing_is_said_of_one(typed, started):
    told = typed("serve")
    assert "http://127.0.0.1:8000" in told
    assert "redirect URI" not in told
    assert started[0].provider is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (ISSUER, f"the environment variable {SECRET} must hold the secret"),
        (ISSUER[:2], "--oidc-client-id"),
        (ISSUER[2:], "--oidc-issuer"),
        (("--oidc-no-email",), "--oidc-issuer"),
    ],
)
def test_half_a_provider_is_none(typed, started, words, sentence):
    assert sentence in typed("serve", *words, code=2)
    assert started == []


def test_a_provider_that_is_away_is_warned_of_and_passwords_still_work(typed, started, monkeypatch):
    monkeypatch.setenv(SECRET, "s3cret")
    with socket.socket() as taken:  # Nobody listens there.
        taken.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{taken.getsockname()[1]}/o"
        told = typed("serve", "--oidc-issuer", issuer, *ISSUER[2:], "--oidc-name", "City [login]", "--oidc-no-email")
    assert "warning" in told
    assert f"{issuer}/.well-known/openid-configuration cannot be reached" in told
    assert "City [login] has to know this redirect URI: http://127.0.0.1:8000/sign-in/provider/callback" in told
    assert "s3cret" not in told
    (settings,) = started
    assert (settings.provider.name, settings.provider.by_email) == ("City [login]", False)


def test_a_provider_that_describes_another_is_not_started_with(typed, started, monkeypatch):
    monkeypatch.setenv(SECRET, "s3cret")
    monkeypatch.setattr("fiscus.integrate.openid.client._json", lambda url: {"issuer": "https://login.example.org/"})
    assert "write --oidc-issuer exactly as the provider calls itself" in typed("serve", *ISSUER, code=2)
    assert started == []
