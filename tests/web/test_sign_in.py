"""Signing in: passwords, second factors, links, sessions, and everything that must not let anybody in."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from places import AUDITOR, PASSWORD

from fiscus.integrate.decision import CLERK, PLANNER
from fiscus.web.serve import first_link
from fiscus.web.settings import Settings
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import sessions
from fiscus.workflow.identity.second_factor import step_of
from fiscus.workflow.service import administer

COOKIE = "fiscus"


def sign_in(client, person=AUDITOR, password=PASSWORD, **more):
    return client.post("/sign-in", data={"person": person, "password": password, **more})


def test_nothing_is_shown_to_nobody(shared):
    client = shared.client()
    for path in (
        "/inbox",
        "/proposals/fy2024-bonds",
        "/funds",
        "/people",
        "/policy",
        "/rounds",
        "/audit",
        "/account",
        "/audit/export",
    ):
        answer = client.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?next=")
    assert client.get("/api/me").status_code == 401
    assert client.get("/sign-in").status_code == 200
    assert client.get("/healthz").text == "ok"


def test_a_wrong_name_and_a_wrong_password_are_told_in_the_same_words(server):
    client = server.client()
    unknown, wrong = sign_in(client, "nobody"), sign_in(client, password="something else entirely")
    assert unknown.status_code == wrong.status_code == 403
    words = "The name or the password is wrong."
    assert words in unknown.text
    assert words in wrong.text
    assert COOKIE not in client.cookies


def test_whoever_guesses_has_to_wait_longer_each_time(server):
    client = server.client()
    for _ in range(sessions.FREE_TRIES):
        assert sign_in(client, password="x").status_code == 403
    for expected in (5, 10, 20):
        answer = sign_in(client)  # Even the right password waits.
        assert answer.status_code == 429
        assert int(re.search(r"again in (\d+) seconds", answer.text)[1]) == pytest.approx(expected, abs=2)
        server.clock.ahead += timedelta(seconds=expected + 1)
        assert sign_in(client, password="x").status_code == 403
    server.clock.ahead += timedelta(hours=1)
    assert sign_in(client).status_code == 303
    server.clock.ahead += timedelta(seconds=1)
    assert sign_in(client, password="x").status_code == 403
    assert sign_in(client).status_code == 303


def test_one_address_cannot_try_everybody(server):
    client = server.client()
    for number in range(4 * sessions.FREE_TRIES):
        assert sign_in(client, f"guess-{number}", "x").status_code == 403
    assert sign_in(client).status_code == 429


def test_a_session_ends_when_nobody_uses_it_and_at_the_end_of_the_day(server):
    client = server.client(AUDITOR)
    server.clock.ahead += sessions.IDLE - timedelta(minutes=2)
    assert client.get("/inbox").status_code == 200
    server.clock.ahead += sessions.IDLE - timedelta(minutes=2)
    assert client.get("/inbox").status_code == 200
    server.clock.ahead += sessions.IDLE + timedelta(seconds=1)
    assert client.get("/inbox").status_code == 303
    client = server.client(AUDITOR)
    for _ in range(13):
        server.clock.ahead += timedelta(minutes=55)
        client.get("/inbox")
    assert client.get("/inbox").status_code == 200
    server.clock.ahead += timedelta(minutes=6)
    assert client.get("/inbox").status_code == 303


def test_the_cookie_cannot_be_read_or_sent_elsewhere(server):
    client = server.client()
    cookie = sign_in(client).headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", "path=/"):
        assert part in cookie
    assert "domain" not in cookie
    assert Settings("https://fiscus.example.org").cookie.startswith("__Host-")


def test_a_session_that_was_planted_is_not_the_one_signed_in_to(server):
    attacker = server.client(PLANNER)
    planted = attacker.cookies[COOKIE]
    victim = server.client()
    victim.cookies.set(COOKIE, planted)
    answer = sign_in(victim)
    assert planted not in answer.headers["set-cookie"]
    assert attacker.get("/inbox").status_code == 303  # What was planted is over.


def test_signing_out_ends_the_session_on_the_server(server):
    client = server.client(AUDITOR)
    token = client.cookies[COOKIE]
    client.post("/sign-out", data={"csrf": client.csrf})
    other = server.client()
    other.cookies.set(COOKIE, token)
    assert other.get("/inbox").status_code == 303


def test_signing_out_everywhere_ends_all(server):
    one, two = server.client(AUDITOR), server.client(AUDITOR)
    one.post("/sign-out", data={"csrf": one.csrf, "everywhere": "1"})
    assert two.get("/inbox").status_code == 303


def test_whoever_is_deactivated_is_out_at_once(server):
    client, clerk = server.client(AUDITOR), server.client(CLERK)
    assert client.get("/inbox").status_code == 200
    answer = clerk.post("/people/do/deactivate", data={"csrf": clerk.csrf, "person": AUDITOR})
    assert answer.status_code == 303
    assert client.get("/inbox").status_code == 303
    assert sign_in(server.client()).status_code == 403


def test_the_first_administrator_begins_with_a_link_that_works_once(empty):
    client = empty.client()
    link = first_link(empty.office, Settings(empty.url))
    path = link.removeprefix(empty.url)
    assert client.get(path).status_code == 200
    assert client.get(path).status_code == 200
    data = {"person": "root", "name": "The Root", "password": PASSWORD, "again": PASSWORD}
    assert "not the same" in client.post(path, data=data | {"again": "x"}).text
    assert "12 characters" in client.post(path, data=data | {"password": "short", "again": "short"}).text
    assert client.post(path, data=data).status_code == 303
    assert client.get("/people").status_code == 200
    assert client.get("/api/me").json()["roles"] == ["administrator"]
    assert empty.client().post(path, data=data | {"person": "eve"}).status_code == 409
    assert first_link(empty.office, Settings(empty.url)) == ""


def test_a_link_for_a_password_ends_after_a_day_and_by_the_next(server):
    clerk = server.client(CLERK)

    def link():
        text = clerk.post("/people/link", data={"csrf": clerk.csrf, "person": AUDITOR}).text
        return re.search(r"/begin/[\w-]+", text)[0]

    first, second = link(), link()
    new = {"password": "five other words entirely", "again": "five other words entirely"}
    assert server.client().post(first, data=new).status_code == 409
    old = server.client(AUDITOR)
    assert server.client().post(second, data=new).status_code == 303
    assert old.get("/inbox").status_code == 303
    assert sign_in(server.client()).status_code == 403
    assert sign_in(server.client(), password=new["password"]).status_code == 303
    third = link()
    server.clock.ahead += timedelta(hours=25)
    assert server.client().post(third, data=new).status_code == 409


def test_only_administrators_make_links(server):
    client = server.client(AUDITOR)
    assert client.post("/people/link", data={"csrf": client.csrf, "person": PLANNER}).status_code == 403


def test_a_second_factor_is_asked_for_and_each_code_counts_once(server):
    client = server.client(AUDITOR)
    page = client.post("/account/code", data={"csrf": client.csrf, "password": PASSWORD, "what": "begin"}).text
    secret = re.search(r'name="secret" value="(\w+)"', page)[1]
    codes = pyotp.TOTP(secret)
    confirm = {"csrf": client.csrf, "password": PASSWORD, "what": "confirm", "secret": secret}
    wrong = client.post("/account/code", data=confirm | {"code": "000000"})
    assert wrong.status_code == 403
    assert f'name="secret" value="{secret}"' in wrong.text  # Nobody has to read the picture again.
    assert "<svg" in wrong.text
    assert client.post("/account/code", data=confirm | {"code": codes.at(server.clock())}).status_code == 303
    other = server.client()
    assert sign_in(other).status_code == 403
    code = codes.at(server.clock())
    assert sign_in(other, code=code).status_code == 303
    assert sign_in(server.client(), code=code).status_code == 403  # Somebody looked over their shoulder.
    server.clock.ahead += timedelta(seconds=60)
    assert sign_in(server.client(), code=codes.at(server.clock())).status_code == 303
    client = server.client()
    server.clock.ahead += timedelta(seconds=60)
    assert sign_in(client, code=codes.at(server.clock())).status_code == 303
    csrf = client.get("/api/me").json()["csrf"]
    server.clock.ahead += timedelta(seconds=60)
    end = {"csrf": csrf, "password": PASSWORD, "what": "end", "code": codes.at(server.clock())}
    assert client.post("/account/code", data=end).status_code == 303
    assert sign_in(server.client()).status_code == 303


def test_a_lost_authenticator_is_reset_by_an_administrator(server):
    server.office.sign_ins.set_second_factor(AUDITOR, pyotp.random_base32())
    inside, clerk = server.inside(AUDITOR), server.inside(CLERK)
    assert sign_in(server.client()).status_code == 403
    assert "Reset the second factor of Inspector" in clerk.get("/people").text
    assert "Reset the second factor" not in inside.get("/people").text
    form = {"person": AUDITOR}
    assert inside.post("/people/reset-code", data=form | {"csrf": inside.csrf}).status_code == 403
    assert clerk.post("/people/reset-code", data={"person": "nobody", "csrf": clerk.csrf}).status_code == 422
    assert clerk.post("/people/reset-code", data=form | {"csrf": clerk.csrf}).status_code == 303
    assert inside.get("/inbox").status_code == 303
    assert sign_in(server.client()).status_code == 303
    with server.office.store.read() as reader:
        (reset,) = (event for event in reader.events("registry") if event.kind == "SecondFactorReset")
    assert (reset.stamp.actor, reset.data) == (CLERK, {"person": AUDITOR})


def test_a_lost_or_wrong_key_lets_nobody_past_the_second_factor(server):
    client = server.client(AUDITOR)
    page = client.post("/account/code", data={"csrf": client.csrf, "password": PASSWORD, "what": "begin"}).text
    secret = re.search(r'name="secret" value="(\w+)"', page)[1]
    codes = pyotp.TOTP(secret)
    confirm = {"csrf": client.csrf, "password": PASSWORD, "what": "confirm", "secret": secret}
    assert client.post("/account/code", data=confirm | {"code": codes.at(server.clock())}).status_code == 303
    database = Path(str(server.office.store.engine.url.database))
    key = database.with_name(database.name + ".key")
    whole = b"".join(each.read_bytes() for each in database.parent.glob("fiscus.db*") if each != key)
    assert secret.encode() not in whole
    right = key.read_text()
    for wrong in (None, "another-key-of-more-than-thirty-two-signs"):
        key.unlink() if wrong is None else key.write_text(wrong)
        key.exists() and key.chmod(0o600)
        for code in ("", codes.at(server.clock())):
            answer = sign_in(server.client(), code=code)
            assert answer.status_code == 403
            assert "cannot be read" in answer.text
            assert secret not in answer.text
        assert client.get("/account").status_code == 200
        end = {"csrf": client.csrf, "password": PASSWORD, "what": "end", "code": codes.at(server.clock())}
        assert client.post("/account/code", data=end).status_code == 403
        other = server.client(PLANNER)  # Whoever has no second factor signs in as ever.
        assert other.get("/inbox").status_code == 200
    assert not database.with_name(database.name + ".key.new").exists()
    key.write_text(right)
    assert sign_in(server.client(), code=codes.at(server.clock())).status_code == 303


def test_codes_of_the_published_example(server):
    """RFC 6238, appendix B, the last six digits of the SHA-1 column."""
    from datetime import UTC, datetime

    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")):
        at = datetime.fromtimestamp(seconds, UTC)
        assert step_of(secret, code, at) == seconds // 30
        assert step_of(secret, code, at + timedelta(seconds=90)) is None


def test_a_changed_password_ends_other_sessions(server):
    client, other = server.client(AUDITOR), server.client(AUDITOR)
    new = "a horse and four words"
    data = {"csrf": client.csrf, "old": PASSWORD, "password": new, "again": new}
    assert client.post("/account/password", data=data | {"old": "wrong"}).status_code == 422
    assert client.post("/account/password", data=data).status_code == 303
    assert client.get("/inbox").status_code == 200
    assert other.get("/inbox").status_code == 303
    assert sign_in(server.client(), password=new).status_code == 303


def test_a_token_of_a_program_is_no_cookie_and_a_cookie_no_token(server):
    office = server.office
    with office.store.begin() as uow:
        administer(
            who.AddPerson("robot", "Robot", kind="service", accountable=PLANNER),
            uow,
            actor=Actor(CLERK),
            at=office.clock(),
        )
        uow.commit()
    secret, _ = sessions.begin(office.sign_ins, "robot", office.clock(), sessions.TOKEN, timedelta(days=90))
    client = server.client()
    assert client.get("/api/me", headers={"authorization": f"Bearer {secret}"}).json()["person"] == "robot"
    client.cookies.set(COOKIE, secret)
    assert client.get("/api/me").status_code == 401
    browser = server.client(AUDITOR)
    stolen = {"authorization": f"Bearer {browser.cookies[COOKIE]}"}
    assert server.client().get("/api/me", headers=stolen).status_code == 401


def test_a_link_that_was_used_says_so_in_its_title(shared):
    page = shared.client().get("/begin/never-was").text
    assert "<h1>This link no longer works</h1>" in page
    assert "Conflict" not in page
