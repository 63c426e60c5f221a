"""Signing in at an OpenID provider that is not ours: Django OAuth Toolkit, in a process of its own."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import openid_provider
import pyotp
import pytest
from places import AUDITOR, PASSWORD, known_by_email, serving

from fiscus.integrate.decision import CLERK, PROPOSAL
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.identity import sessions

SIGNER = "planning-commission-1"


class There:
    """A browser without eyes at the provider."""

    def __init__(self, elsewhere):
        self.url = elsewhere.url
        self.client = httpx.Client(timeout=30, verify=False)

    def go(self, location, user="pc1", allow=True):
        """Sign in where one is asked to, consent or not; gives the way back."""
        for _ in range(8):
            if not location.startswith(self.url):
                return location
            answer = self.client.get(location)
            if answer.status_code == 302:
                location = urljoin(location, answer.headers["location"])
                continue
            assert answer.status_code == 200, answer.text
            form = {
                name: html.unescape(value)
                for name, value in re.findall(r'type="hidden" name="(\w+)"[^>]*? value="([^"]*)"', answer.text)
            }
            if "Log in" in answer.text:
                form |= {"username": user, "password": openid_provider.PASSWORD}
            else:
                form |= {"allow": "Authorize"} if allow else {"cancel": "1"}
            sent = self.client.post(location, data=form, headers={"referer": location})
            assert sent.status_code == 302, sent.text
            location = urljoin(location, sent.headers["location"])
        raise AssertionError("the provider sends its people in a circle")


@pytest.fixture
def there(elsewhere):
    return There(elsewhere)


def through(client, there, path="/sign-in/provider", **options):
    """From our button to the provider and back; gives our last answer."""
    left = client.get(path)
    assert left.status_code == 303, left.text
    return client.get(there.go(left.headers["location"], **options))


def events(server, kind):
    found = server.inside(AUDITOR).get("/api/audit/events?limit=1000").json()
    return [each for each in found if each["kind"] == kind]


def older_than_recent(server, person):
    """As if everybody had been asked who they are half an hour ago."""
    store = server.office.sign_ins
    for session in store.sessions(person):
        store.touch_session(replace(session, proved=timestamp(server.clock() - timedelta(minutes=30))))


def test_the_first_sign_in_ties_the_account_by_its_verified_address_and_is_in_the_log(federated, elsewhere, there):
    client = federated.client()
    page = client.get("/sign-in?next=/funds")
    assert "Sign in with City login" in page.text
    path = html.unescape(re.search(r'href="(/sign-in/provider[^"]*)"', page.text)[1])
    answer = through(client, there, path)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/funds"
    assert client.get("/api/me").json()["person"] == SIGNER
    (tied,) = events(federated, "AccountTied")
    assert tied["actor"] == SIGNER
    assert tied["data"] == {"person": SIGNER, "issuer": elsewhere.issuer, "subject": "1", "by": "verified e-mail"}
    again = federated.client()
    assert through(again, there).headers["location"] == "/inbox"
    assert again.get("/api/me").json()["person"] == SIGNER
    assert len(events(federated, "AccountTied")) == 1
    known_by_email(federated.office, {SIGNER: "moved@city.example"})
    assert through(federated.client(), there).status_code == 303  # Once tied, it is the account that counts.


def test_what_goes_to_the_provider_is_what_the_standard_asks_for(federated):
    answer = federated.client().get("/sign-in/provider?next=/funds")
    sent = parse_qs(urlsplit(answer.headers["location"]).query)
    assert sent["response_type"] == ["code"]
    assert sent["redirect_uri"] == [f"{federated.url}/sign-in/provider/callback"]
    assert sent["code_challenge_method"] == ["S256"]
    assert sent["scope"] == ["openid email"]
    assert min(len(sent[name][0]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert openid_provider.SECRET not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    for part in ("fiscus-attempt=", "httponly", "samesite=lax", "path=/", "max-age=600"):
        assert part in cookie
    other = federated.client().get("/sign-in/provider").headers["location"]
    again = parse_qs(urlsplit(other).query)
    assert all(sent[name] != again[name] for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize(
    ("user", "words"), [("nobody", "Ask an administrator to enter it"), ("late", "that it verified")]
)
def test_whoever_is_known_by_no_verified_address_is_told_what_to_ask_for(federated, there, user, words):
    known_by_email(federated.office, {AUDITOR: "unverified@city.example"})
    before = federated.inside(CLERK).get("/api/people").json()
    client = federated.client()
    answer = through(client, there, user=user)
    assert answer.status_code == 403
    assert words in answer.text
    assert client.get("/inbox").status_code == 303
    assert federated.inside(CLERK).get("/api/people").json() == before
    assert events(federated, "AccountTied") == []


def test_whoever_does_not_consent_is_not_let_in(federated, there):
    answer = through(federated.client(), there, allow=False)
    assert answer.status_code == 403
    assert "City login did not let you in" in answer.text


def test_whoever_is_deactivated_is_refused_and_signed_out(federated, there):
    client, clerk = federated.client(), federated.inside(CLERK)
    assert through(client, there).status_code == 303
    assert client.get("/inbox").status_code == 200
    clerk.post("/people/do/deactivate", data={"csrf": clerk.csrf, "person": SIGNER})
    assert client.get("/inbox").status_code == 303
    answer = through(federated.client(), there)
    assert answer.status_code == 403
    assert "may no longer be used" in answer.text


def test_signing_out_here_ends_the_session_here(federated, there):
    client = federated.client()
    through(client, there)
    csrf = client.get("/api/me").json()["csrf"]
    assert client.post("/sign-out", data={"csrf": csrf}).status_code == 303
    assert client.get("/inbox").status_code == 303


def test_a_planted_session_is_over_after_signing_in(federated, there):
    attacker = federated.inside(AUDITOR)
    planted = attacker.cookies["fiscus"]
    victim = federated.client()
    victim.cookies.set("fiscus", planted)
    answer = through(victim, there)
    assert planted not in answer.headers["set-cookie"]
    assert attacker.get("/inbox").status_code == 303


def test_a_decision_later_takes_the_provider_again(federated, there):
    """Whoever has no password proves at the provider, which has to ask them anew, that it is still they."""
    federated.office.sign_ins._write(("DELETE FROM credentials WHERE person = ?", (SIGNER,)))
    client = federated.client()
    through(client, there)
    me = client.get("/api/me").json()
    older_than_recent(federated, SIGNER)
    page = client.get(f"/proposals/{PROPOSAL}/decide").text
    assert "Confirm with City login" in page
    assert "Approve USD" not in page
    seen = client.get(f"/api/proposals/{PROPOSAL}").json()["hash"]
    form = {"csrf": me["csrf"], "hash": seen, "decision": "approve", "choice": "planning|"}
    refused = client.post(f"/proposals/{PROPOSAL}/decide", data=form)
    assert refused.status_code == 409
    assert "confirm that it is you" in refused.text
    path = html.unescape(re.search(r'href="(/sign-in/provider\?again[^"]*)"', page)[1])
    sent = parse_qs(urlsplit(client.get(path).headers["location"]).query)
    assert (sent["prompt"], sent["max_age"]) == (["login"], ["0"])
    answer = through(client, there, path)
    assert answer.headers["location"] == f"/proposals/{PROPOSAL}/decide"
    assert "fiscus=" not in answer.headers.get("set-cookie", "").replace(
        "fiscus-attempt=", ""
    )  # The same session goes on.
    assert client.post(f"/proposals/{PROPOSAL}/decide", data=form).status_code == 303


def test_a_provider_that_did_not_ask_anew_proves_nothing(federated, there):
    client = federated.client()
    through(client, there)
    older_than_recent(federated, SIGNER)
    left = client.get("/sign-in/provider?again=1&next=/inbox").headers["location"]
    lazy = left.replace("&prompt=login", "").replace("&max_age=0", "")
    assert lazy != left
    federated.clock.ahead = timedelta(minutes=5)  # The sign-in there is older than what was begun here.
    left = client.get("/sign-in/provider?again=1&next=/inbox").headers["location"]
    answer = client.get(there.go(left.replace("&prompt=login", "").replace("&max_age=0", "")))
    assert answer.status_code == 403
    assert "did not ask you again" in answer.text
    (session,) = federated.office.sign_ins.sessions(SIGNER)
    assert not session.recent(federated.clock())


def test_another_account_does_not_prove_that_it_is_still_they(federated, there, elsewhere):
    client = federated.client()
    through(client, there)
    older_than_recent(federated, SIGNER)
    for address in ("", "nobody@city.example"):  # Nobody's account, and then somebody else's.
        known_by_email(federated.office, {AUDITOR: address})
        through(federated.client(), There(elsewhere), user="nobody")
        assert len(federated.office.sign_ins.identities()) == (2 if address else 1)
        answer = through(client, There(elsewhere), "/sign-in/provider?again=1&next=/inbox", user="nobody")
        assert answer.status_code == 403
        assert "not tied to planning-commission-1" in answer.text
    (session,) = federated.office.sign_ins.sessions(SIGNER)
    assert not session.recent(federated.clock())


def test_a_second_factor_of_ours_is_asked_for_after_the_provider(federated, there):
    secret = pyotp.random_base32()
    federated.office.sign_ins.set_second_factor(SIGNER, secret)
    codes, client = pyotp.TOTP(secret), federated.client()
    page = through(client, there, "/sign-in/provider?next=/funds")
    assert page.status_code == 200
    assert "Code of your authenticator" in page.text
    assert client.get("/inbox").status_code == 303  # Not in yet.
    pending = re.search(r'name="pending" value="([\w-]+)"', page.text)[1]
    send = {"pending": pending, "code": codes.at(federated.clock())}
    assert federated.client().post("/sign-in/provider/code", data=send).status_code == 409  # Another browser.
    assert (
        client.post("/sign-in/provider/code", data=send, headers={"origin": "https://evil.example"}).status_code == 403
    )
    wrong = client.post("/sign-in/provider/code", data=send | {"code": "000000"})
    assert wrong.status_code == 403
    assert client.get(f"/sign-in/provider/callback?state={pending}&code=x").status_code in (409,)  # No way round it.
    page = through(client, there, "/sign-in/provider?next=/funds")
    send["pending"] = re.search(r'name="pending" value="([\w-]+)"', page.text)[1]
    answer = client.post("/sign-in/provider/code", data=send)
    assert answer.headers["location"] == "/funds"
    assert client.get("/inbox").status_code == 200
    assert client.post("/sign-in/provider/code", data=send).status_code in (403, 409)
    older_than_recent(federated, SIGNER)
    federated.clock.ahead += timedelta(seconds=40)
    page = through(client, there, f"/sign-in/provider?again=1&next=/proposals/{PROPOSAL}/decide")
    send = {"pending": re.search(r'name="pending" value="([\w-]+)"', page.text)[1], "code": codes.at(federated.clock())}
    assert not federated.office.sign_ins.sessions(SIGNER)[0].recent(federated.clock())
    assert client.post("/sign-in/provider/code", data=send).headers["location"].endswith("/decide")
    assert federated.office.sign_ins.sessions(SIGNER)[0].recent(federated.clock())


def test_whoever_is_untied_or_put_out_does_not_come_in_by_a_code_that_was_still_to_come(federated, there, elsewhere):
    secret = pyotp.random_base32()
    federated.office.sign_ins.set_second_factor(SIGNER, secret)
    client, clerk = federated.client(), federated.inside(CLERK)
    for path, more in (("/people/do/deactivate", {}), ("/people/untie", {"issuer": elsewhere.issuer, "subject": "1"})):
        page = through(client, there)
        send = {"pending": re.search(r'name="pending" value="([\w-]+)"', page.text)[1]}
        assert clerk.post(path, data={"csrf": clerk.csrf, "person": SIGNER, **more}).status_code == 303
        send["code"] = pyotp.TOTP(secret).at(federated.clock())
        assert client.post("/sign-in/provider/code", data=send).status_code == 409
        assert client.get("/inbox").status_code == 303
        clerk.post("/people/do/reactivate", data={"csrf": clerk.csrf, "person": SIGNER})


def test_an_administrator_enters_the_address_by_which_somebody_is_known(federated, there):
    assert through(federated.client(), there, user="nobody").status_code == 403
    clerk = federated.inside(CLERK)
    form = {"csrf": clerk.csrf, "person": AUDITOR, "email": "nobody@city.example"}
    assert clerk.post("/people/address", data=form | {"person": "eve"}).status_code == 422
    assert clerk.post("/people/address", data=form).status_code == 303
    assert "nobody@city.example" in clerk.get("/people").text
    client = federated.client()
    assert through(client, There(there), user="nobody").status_code == 303
    assert client.get("/api/me").json() | {"csrf": ""} == {
        "person": AUDITOR, "name": "Inspector", "roles": ["auditor"], "acts_for": [], "csrf": ""
    }  # fmt: skip


def test_codes_of_a_second_factor_are_not_guessed_fast(federated, there):
    federated.office.sign_ins.set_second_factor(SIGNER, pyotp.random_base32())
    client = federated.client()
    page = through(client, there)
    pending = re.search(r'name="pending" value="([\w-]+)"', page.text)[1]
    statuses = [
        client.post("/sign-in/provider/code", data={"pending": pending, "code": f"00000{n}"}).status_code
        for n in range(sessions.FREE_TRIES + 1)
    ]
    assert statuses == [403] * sessions.FREE_TRIES + [429]
    federated.clock.ahead += sessions.ATTEMPT_LASTS
    assert client.post("/sign-in/provider/code", data={"pending": pending, "code": "000000"}).status_code == 409


@pytest.fixture
def by_hand(tmp_path, filled, elsewhere):
    """A server that ties no account by its address."""
    import shutil

    shutil.copy(filled, tmp_path / "fiscus.db")

    def settings(url):
        return elsewhere.settings(url, by_email=False)

    with serving(tmp_path / "fiscus.db", settings, elsewhere.port) as made:
        known_by_email(made.office, {SIGNER: "commission-one@city.example"})
        yield made


def test_without_addresses_people_tie_their_accounts_themselves(by_hand, there, elsewhere):
    refused = through(by_hand.client(), there)
    assert refused.status_code == 403
    assert "tied to nobody here" in refused.text
    client = by_hand.inside(SIGNER)
    assert "Go on to City login" in client.get("/account").text
    form = {"csrf": client.csrf, "password": PASSWORD}
    assert client.post("/account/provider", data=form | {"password": "wrong"}).status_code == 403
    assert client.post("/account/provider", data=form | {"csrf": ""}).status_code == 403
    page = client.post("/account/provider", data=form)
    assert page.status_code == 200
    address = html.unescape(re.search(r'href="(http[^"]*)"', page.text)[1])
    assert "scope=openid&" in address
    assert "prompt=login" in address
    answer = client.get(there.go(address))
    assert answer.headers["location"] == "/account"
    assert "signs in as you" in client.get("/account").text
    (tied,) = events(by_hand, "AccountTied")
    assert tied["data"]["by"] == "own sign-in"
    fresh = by_hand.client()
    assert through(fresh, there).status_code == 303
    assert fresh.get("/api/me").json()["person"] == SIGNER


def test_an_account_is_tied_in_the_session_that_began_it_and_to_one_person(by_hand, there):
    client, other = by_hand.inside(SIGNER), by_hand.inside(AUDITOR)

    def begin(browser):
        page = browser.post("/account/provider", data={"csrf": browser.csrf, "password": PASSWORD})
        return there.go(html.unescape(re.search(r'href="(http[^"]*)"', page.text)[1]))

    back = begin(client)
    client.post("/sign-in", data={"person": AUDITOR, "password": PASSWORD})
    answer = client.get(back)
    assert answer.status_code == 409
    client = by_hand.inside(SIGNER)
    assert client.get(begin(client)).status_code == 303
    taken = other.get(begin(other))
    assert taken.status_code == 403
    assert "somebody else" in taken.text
    assert len(events(by_hand, "AccountTied")) == 1


def test_an_administrator_sees_and_unties_an_account_for_good(federated, there, elsewhere):
    client, clerk = federated.client(), federated.inside(CLERK)
    through(client, there)
    assert "Untie the account 1" in clerk.get("/people").text
    assert elsewhere.issuer not in federated.inside(AUDITOR).get("/people").text
    form = {"csrf": clerk.csrf, "person": SIGNER, "issuer": elsewhere.issuer, "subject": "1"}
    for wrong in ({"person": AUDITOR}, {"subject": "2"}, {"issuer": "https://other.example"}, {"person": ""}):
        assert clerk.post("/people/untie", data=form | wrong).status_code == 422
    assert clerk.post("/people/untie", data=form).status_code == 303
    assert client.get("/inbox").status_code == 303
    (untied,) = events(federated, "AccountUntied")
    assert (untied["actor"], untied["data"]["subject"]) == (CLERK, "1")
    answer = through(federated.client(), there)  # The address is still theirs, and does not tie it again.
    assert answer.status_code == 403
    assert "untied" in answer.text
    signer = federated.inside(SIGNER)
    page = signer.post("/account/provider", data={"csrf": signer.csrf, "password": PASSWORD})
    signer.get(there.go(html.unescape(re.search(r'href="(http[^"]*)"', page.text)[1])))
    assert through(federated.client(), there).status_code == 303


def test_a_stolen_session_without_a_password_sets_none(federated, there):
    federated.office.sign_ins._write(("DELETE FROM credentials WHERE person = ?", (SIGNER,)))
    client = federated.client()
    through(client, there)
    form = {
        "csrf": client.get("/api/me").json()["csrf"],
        "password": "six words of my own",
        "again": "six words of my own",
    }
    older_than_recent(federated, SIGNER)
    assert client.post("/account/password", data=form).status_code == 422
    assert federated.office.sign_ins.credential(SIGNER) is None
    through(client, there, "/sign-in/provider?again=1&next=/account")
    assert client.post("/account/password", data=form).status_code == 303


def test_a_server_without_a_provider_has_no_such_pages(shared):
    assert "or</p>" not in shared.client().get("/sign-in").text
    for path in ("/sign-in/provider", "/sign-in/provider/callback?code=x&state=y"):
        assert shared.client().get(path).status_code == 404
    client = shared.client(AUDITOR)
    assert client.post("/account/provider", data={"csrf": client.csrf, "password": PASSWORD}).status_code == 404
    assert client.post("/sign-in/provider/code", data={"pending": "x", "code": "1"}).status_code == 404
    assert "Accounts elsewhere" not in client.get("/account").text


def test_what_is_secret_is_in_no_answer_and_no_log(federated, there):
    client = federated.client()
    through(client, there)
    clerk = federated.inside(CLERK)
    token = client.cookies["fiscus"]
    for path in ("/account", "/people", "/audit", "/api/audit/events?limit=1000", "/audit/export", "/sign-in"):
        for browser in (client, clerk):
            text = browser.get(path).text
            assert openid_provider.SECRET not in text
            assert token not in text
