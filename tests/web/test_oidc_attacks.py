"""An OpenID provider that lies, people who carry answers from elsewhere, and a provider that is simply broken."""

from __future__ import annotations

import base64
import hashlib
import logging
import shutil
from datetime import timedelta
from itertools import count
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hostile_provider import CLIENT, EC, ED, OTHER, RSA, SECRET, encoded, hostile_provider
from places import AUDITOR, PASSWORD, free_port, known_by_email, serving

from fiscus.bootstrap import now
from fiscus.integrate.decision import CLERK, PLANNER
from fiscus.integrate.openid import Client, Provider
from fiscus.web.settings import Settings
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import sessions
from fiscus.workflow.service import administer

SIGNER, SECOND = "planning-commission-1", "planning-commission-2"
ADDRESS = "one@city.example"
CODES = (f"code-{number}" for number in count())
CALLBACK = "/sign-in/provider/callback"


@pytest.fixture(scope="module")
def place(tmp_path_factory, filled):
    """A server and its provider; whoever signs in is put out again after each test."""
    path = tmp_path_factory.mktemp("hostile") / "fiscus.db"
    shutil.copy(filled, path)
    later = {}
    with hostile_provider(lambda: later["clock"]() if later else now()) as there:

        def settings(url):
            return Settings(url, Provider(there.url, CLIENT, SECRET, "City login"))

        with serving(path, settings) as made:
            later["clock"], made.there = made.clock, there
            known_by_email(made.office, {SIGNER: ADDRESS, SECOND: "two@city.example"})
            yield made


@pytest.fixture
def server(place):
    """The same for everybody, as if nothing had been before."""
    forget(place)
    yield place
    there, office = place.there, place.office
    there.document, there.keys, there.answers, there.told = {}, [RSA], {}, {}
    there.asked.clear()
    there.forms.clear()
    office.sign_ins._write(
        ("DELETE FROM identities", ()),
        ("DELETE FROM attempts", ()),
        ("DELETE FROM throttles", ()),
        ("DELETE FROM browser_sessions", ()),
    )
    place.clock.ahead = timedelta()


def begin(client, next="/inbox"):
    """Leave for the provider; gives what it is sent."""
    answer = client.get(f"/sign-in/provider?next={quote(next, safe='')}")
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def back(client, sent, code="", **more):
    return client.get(CALLBACK, params={"state": sent["state"], "code": code or next(CODES), **more})


def sign_in(server, client=None, make=None, **changes):
    """The whole way with a token that is right but for the changes, or that ``make`` makes of right claims."""
    client, there, code = client or server.client(), server.there, next(CODES)
    sent = begin(client)
    claims = there.claims(sent["nonce"], **changes)
    there.gives(code, make(there, claims) if make else there.signed(claims))
    return client, back(client, sent, code)


def refused(client, answer, *statuses):
    """A page with a sentence, nobody signed in, nothing secret."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    assert 'role="alert"' in answer.text
    for secret in (SECRET, "Traceback", "secret words", "access_token", "eyJ"):
        assert secret not in answer.text
    assert client.get("/inbox").status_code == 303
    return answer.text


FORGED = {
    "signed with another key": (lambda t, c: t.signed(c, OTHER, kid="rsa"), "signature"),
    "signed with a key that is not published": (lambda t, c: t.signed(c, OTHER), "not published"),
    "not signed": (lambda t, c: t.unsigned(c), "not believed"),
    "not signed, in capitals": (lambda t, c: t.unsigned(c, "NONE"), "not believed"),
    "public key for a secret": (lambda t, c: t.with_secret(c, RSA.as_pem(private=False)), "not believed"),
    "client's secret for a key": (lambda t, c: t.with_secret(c, SECRET.encode()), "not believed"),
    "changed afterwards": (lambda t, c: _changed(t.signed(c)), "signature"),
    "signature cut off": (lambda t, c: t.signed(c).rpartition(".")[0] + ".", "signature"),
    "no token": (lambda t, c: "", "cannot be read"),
    "two parts": (lambda t, c: "a.b", "cannot be read"),
    "five parts": (lambda t, c: "a.b.c.d.e", "cannot be read"),
    "a number": (lambda t, c: 7, "cannot be read"),
    "a list": (lambda t, c: [t.signed(c)], "cannot be read"),
    "another algorithm than that of the key": (lambda t, c: _renamed(t.signed(c), "ES256"), ""),
    "a critical header that is not known": (lambda t, c: _critical(t, c), "cannot be read"),
}


def _changed(token):
    head, body, signature = token.split(".")
    text = base64.urlsafe_b64decode(body + "==").replace(b"s-1", b"s-2")
    return f"{head}.{encoded(text)}.{signature}"


def _renamed(token, algorithm):
    _, body, signature = token.split(".")
    return f"{encoded({'alg': algorithm, 'kid': 'rsa'})}.{body}.{signature}"


def _critical(there, claims):
    _, body, signature = there.signed(claims).split(".")
    return f"{encoded({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x'], 'x': 1})}.{body}.{signature}"


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_token_lets_nobody_in(server, what, caplog):
    make, words = FORGED[what]
    with caplog.at_level(logging.WARNING):
        text = refused(*sign_in(server, make=make), 502)
    assert "cannot be trusted" in text
    assert words in text
    assert caplog.records == []
    assert server.office.sign_ins.identities() == ()


DAY = 86_400
WRONG = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "issuer with a stroke more": {"iss": lambda there: there.url + "/"},
    "issuers": {"iss": lambda there: [there.url, "https://evil.example"]},
    "for another": {"aud": "somebody-else"},
    "for nobody": {"aud": None},
    "for an empty list": {"aud": []},
    "for several, without saying who asked": {"aud": [CLIENT, "other"]},
    "for several, asked by another": {"aud": [CLIENT, "other"], "azp": "other"},
    "asked by another": {"azp": "other"},
    "of another sign-in": {"nonce": "another-nonce"},
    "of no sign-in": {"nonce": None},
    "of many sign-ins": {"nonce": lambda there: ["a", "b"]},
    "over": {"exp": lambda there: int(there.clock().timestamp()) - 61},
    "never over": {"exp": None},
    "over at no time": {"exp": "soon"},
    "over at infinity": {"exp": float("inf")},
    "not yet": {"nbf": lambda there: int(there.clock().timestamp()) + 600},
    "of the future": {"iat": lambda there: int(there.clock().timestamp()) + 600},
    "issued at no time": {"iat": None},
    "of nobody": {"sub": None},
    "of an empty name": {"sub": ""},
    "of a number": {"sub": 1},
    "of a name with a line in it": {"sub": "a\nb"},
    "of a name without an end": {"sub": "s" * 256},
    "asked at no time": {"auth_time": "yesterday"},
    "asked at infinity": {"auth_time": 1e300},
    "asked in the future": {"auth_time": lambda there: int(there.clock().timestamp()) + 600},
    "with the hash of another token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(server, what):
    changes = {name: value(server.there) if callable(value) else value for name, value in WRONG[what].items()}
    refused(*sign_in(server, **changes), 502)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_every_algorithm_that_is_believed(server, key, algorithm):
    server.there.keys = [OTHER, RSA, EC, ED]
    forget(server)
    client, answer = sign_in(server, make=lambda there, claims: there.signed(claims, key, algorithm))
    assert answer.status_code == 303, answer.text
    assert client.get("/api/me").json()["person"] == SIGNER


def test_an_algorithm_that_the_provider_does_not_name_is_not_believed(server):
    server.there.document = {"id_token_signing_alg_values_supported": ["ES256"]}
    forget(server)
    assert "not believed" in refused(*sign_in(server), 502)


def forget(server):
    """As if an hour had passed: what the provider says about itself is asked for again."""
    server.app.state.client.__init__(server.app.state.client.provider, server.app.state.client.redirect)


def test_a_new_key_is_asked_for_once_and_an_old_one_counts_no_more(server):
    there = server.there
    forget(server)
    assert sign_in(server)[1].status_code == 303
    assert sign_in(server)[1].status_code == 303
    assert there.asked.count("/keys") == 1
    there.keys = [OTHER]
    assert sign_in(server, make=lambda t, c: t.signed(c, OTHER))[1].status_code == 303
    assert there.asked.count("/keys") == 2
    refused(*sign_in(server), 502)  # The old key: asked once more, and still not there.
    assert there.asked.count("/keys") == 3
    there.keys = [RSA]


def test_keys_that_are_none_do_not_count(server):
    secret = {"kty": "oct", "k": encoded(b"x" * 32), "kid": "shared"}
    server.there.keys = [secret, {"kty": "EC", "crv": "P-999", "x": "", "y": ""}, {"kty": "new"}, {}, {"kty": "RSA"}]
    forget(server)
    assert "no public key" in refused(*sign_in(server), 502)
    server.there.keys = [secret, RSA]
    refused(*sign_in(server, make=lambda t, c: t.with_secret(c, b"x" * 32, "shared")), 502)
    assert sign_in(server)[1].status_code == 303


@pytest.mark.parametrize("verified", [False, None, "false", 1, "yes", [True]])
def test_an_address_that_nobody_verified_is_nobodys(server, verified):
    text = refused(*sign_in(server, email_verified=verified), 403)
    assert "verified" in text
    assert server.office.sign_ins.identities() == ()


@pytest.mark.parametrize("email", [None, "", "nobody@city.example", 7, ["one@city.example"], "one@city.example "])
def test_an_address_that_nobody_has_is_nobodys(server, email):
    server.there.told = {"sub": "s-1"}
    refused(*sign_in(server, email=email), 403)
    assert server.office.sign_ins.identities() == ()


def test_addresses_are_alike_in_any_case_but_only_of_plain_letters(server):
    assert sign_in(server, email="ONE@City.Example")[1].status_code == 303
    known_by_email(server.office, {SECOND: "kim@city.example"})
    try:
        kelvin = "\u212aim@city.example"
        assert kelvin.lower() == "kim@city.example"
        refused(*sign_in(server, sub="s-2", email=kelvin), 403)
    finally:
        known_by_email(server.office, {SECOND: "two@city.example"})


def test_an_address_of_two_people_is_nobodys(server):
    known_by_email(server.office, {SECOND: ADDRESS.upper()})
    try:
        assert "nobody else" in refused(*sign_in(server), 403)
        with server.office.at_work(CLERK) as (uow, actor, at, _):
            administer(who.Deactivate(SECOND), uow, actor=actor, at=at)
        client, answer = sign_in(server)
        assert answer.status_code == 303  # One of them may still act.
        assert client.get("/api/me").json()["person"] == SIGNER
    finally:
        with server.office.at_work(CLERK) as (uow, actor, at, _):
            administer(who.Reactivate(SECOND), uow, actor=actor, at=at)
        known_by_email(server.office, {SECOND: "two@city.example"})


def test_a_program_does_not_sign_in_by_its_address(server):
    with server.office.store.begin() as uow:
        robot = who.AddPerson("robot", "Robot", "robot@city.example", "service", PLANNER)
        administer(robot, uow, actor=Actor(CLERK), at=server.office.clock())
        uow.commit()
    refused(*sign_in(server, email="robot@city.example"), 403)


def test_an_address_that_somebody_new_was_given_does_not_bring_them_in(server):
    assert sign_in(server)[1].status_code == 303
    text = refused(*sign_in(server, sub="somebody-new"), 403)
    assert "untie" in text
    assert [each.subject for each in server.office.sign_ins.identities()] == ["s-1"]


def test_the_userinfo_of_somebody_else_is_not_believed(server):
    server.there.told = {"sub": "s-2", "email": ADDRESS, "email_verified": True}
    refused(*sign_in(server, email=None), 502)
    server.there.told = {"sub": "s-1", "email": ADDRESS, "email_verified": True}
    assert sign_in(server, email=None)[1].status_code == 303


def good(server, client=None, **options):
    """A browser that is on its way back with a code that is good."""
    client = client or server.client()
    sent, code = begin(client, **options), next(CODES)
    server.there.gives(code, server.there.signed(server.there.claims(sent["nonce"])))
    return client, sent, code


def test_an_answer_counts_once(server):
    client, sent, code = good(server)
    cookie = client.cookies["fiscus-attempt"]
    assert back(client, sent, code).status_code == 303
    assert "fiscus-attempt" not in client.cookies
    other = server.client()
    other.cookies.set("fiscus-attempt", cookie)  # Even with everything that the browser had.
    refused(other, back(other, sent, code), 409)


def test_an_answer_that_failed_is_used_up_too(server):
    client, sent, code = good(server)
    refused(client, back(client, sent, error="access_denied"), 403)
    refused(client, back(client, sent, code), 409)


def test_an_answer_for_another_browser_is_none(server):
    """An attacker's answer in the victim's browser would sign the victim in as the attacker."""
    attacker, sent, code = good(server)
    victim = server.client()
    refused(victim, back(victim, sent, code), 409)
    refused(attacker, back(attacker, sent, code), 409)  # Used up.
    attacker, sent, code = good(server)
    begin(victim)
    refused(victim, back(victim, sent, code), 409)


def test_an_answer_that_comes_late_is_none(server):
    client, sent, code = good(server)
    server.clock.ahead += sessions.ATTEMPT_LASTS
    client.cookies.set("fiscus-attempt", client.cookies["fiscus-attempt"], domain="127.0.0.1")
    assert "10 minutes" in refused(client, back(client, sent, code), 409)
    begin(client)
    with server.office.store.read() as reader:
        assert reader.run("SELECT count(*) FROM attempts", ()).fetchone()[0] == 1  # What is over is forgotten.


def test_a_code_of_another_sign_in_does_not_fit(server):
    """The provider would refuse by PKCE; here it does not, and the nonce does."""
    attacker, _, stolen = good(server)
    victim, sent, _ = good(server)
    refused(victim, back(victim, sent, stolen), 502)
    assert attacker.get("/inbox").status_code == 303


def test_nobody_makes_us_ask_the_provider_over_and_over(server):
    client = server.client()
    for _ in range(4 * sessions.FREE_TRIES):
        refused(client, back(client, begin(client), "never given"), 403)
    refused(client, client.get("/sign-in/provider"), 429)
    password = client.post("/sign-in", data={"person": AUDITOR, "password": PASSWORD})
    assert password.status_code == 303  # That way in is open.
    server.clock.ahead += sessions.LONGEST_WAIT
    client = server.client()
    assert sign_in(server, client)[1].status_code == 303
    refused(client := server.client(), back(client, begin(client), "never given"), 403)  # And begins to count anew.
    assert client.get("/sign-in/provider").status_code == 303


def test_answers_that_make_no_sense_are_pages(server):
    client, sent, code = good(server)
    for query in ("", "?code=x", "?state=x", "?state=&code=", f"?state={sent['state']}", "?state=%00&code=%00", "?state=%ff",
                  f"?state={'x' * 5000}&code=x", "?error=<script>alert(1)</script>", "?state[]=x", "?iss=x",
                  f"?state={sent['state']}&state=other&code={code}", f"?state={sent['state']}&code={code}&code=other"):  # fmt: skip
        refused(client, client.get(CALLBACK + query), 409, 502)
    client, sent, _ = good(server)
    refused(client, client.get(CALLBACK, params={"state": sent["state"], "code": "\u0000\u202e " + "x" * 3000}), 403)
    for path in ("?next=%00", "?again=1", "?next=" + "x" * 5000, "?again=%ff&next=//evil.example"):
        assert client.get("/sign-in/provider" + path).status_code == 303
    for form in ({}, {"pending": ""}, {"pending": "\u0000", "code": "x"}, {"pending": sent["state"], "code": "000000"}):
        refused(client, client.post("/sign-in/provider/code", data=form), 409)


def test_an_answer_of_another_provider_is_not_used(server):
    """RFC 9207: whoever mixes up two providers would hand our code to the wrong one."""
    client, sent, code = good(server)
    asked = len(server.there.forms)
    assert "not from City login" in refused(client, back(client, sent, code, iss="https://evil.example"), 502)
    client, sent, code = good(server)
    refused(client, back(client, sent, code, iss=""), 502)
    server.there.document = {"authorization_response_iss_parameter_supported": True}
    forget(server)
    client, sent, code = good(server)
    refused(client, back(client, sent, code), 502)
    assert len(server.there.forms) == asked  # No code went anywhere.
    client, sent, code = good(server)
    assert back(client, sent, code, iss=server.there.url).status_code == 303


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/ok\r\nset-cookie:x=y", ""],
)
def test_nobody_is_sent_elsewhere_after_signing_in(server, target):
    client, sent, code = good(server, next=target)
    answer = back(client, sent, code, next="https://evil.example")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/inbox"
    assert "x=y" not in str(answer.headers)
    assert (
        server.client().get("/sign-in/provider?redirect_uri=https://evil.example").headers["location"].count("evil")
        == 0
    )


def test_a_code_is_shown_with_our_secret_and_the_proof_of_who_began(server):
    client, sent, code = good(server)
    back(client, sent, code)
    form, headers = server.there.forms[-1]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert challenge == sent["code_challenge"]
    assert form["redirect_uri"] == sent["redirect_uri"] == f"{server.url}{CALLBACK}"
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    assert "client_secret" not in form
    server.there.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    forget(server)
    client, sent, code = good(server)
    assert back(client, sent, code).status_code == 303
    form, headers = server.there.forms[-1]
    assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"error": "invalid_grant"}, 403),
        (401, {"error": "invalid_client", "error_description": "secret words"}, 502),
        (400, {"error": "invalid_request"}, 502),
        (400, {"error": ["x"]}, 502),
        (400, {"error": "x", "error_description": "\u0000\u00e9"}, 502),
        (200, {"error": "\u2028"}, 502),
        (200, {}, 502),
        (200, [], 502),
        (200, {"access_token": "access"}, 502),
        (200, b"<html>secret words</html>", 502),
        (200, b"", 502),
        (200, b"\xff\xfe", 502),
        (200, b"[" * 100_000, 502),
        (200, b"x" * (1024 * 1024 + 1), 502),
        (302, b"https://evil.example", 502),
        (429, b"slow down", 503),
        (500, b"secret words", 503),
        (503, {"error": "server_error"}, 503),
    ],
)
def test_a_token_endpoint_that_fails_is_told_in_a_sentence(server, status, body, told, caplog):
    server.there.answers["/token"] = (status, body)
    with caplog.at_level(logging.WARNING):
        refused(*sign_in(server), told)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "status"),
    [("access_denied", 403), ("login_required", 403), ("server_error", 503), ("temporarily_unavailable", 503),
     ("invalid_scope", 502), ("<script>alert(1)</script>", 502)],
)  # fmt: skip
def test_errors_of_the_provider_are_told_in_a_sentence(server, error, status):
    client = server.client()
    sent = begin(client)
    answer = client.get(
        CALLBACK,
        params={"state": sent["state"], "error": error, "error_description": "call 555-EVIL", "error_uri": "http://e"},
    )
    assert "<script>alert" not in refused(client, answer, status)
    assert "EVIL" not in answer.text


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/userinfo"])
@pytest.mark.parametrize(
    ("status", "body", "told"), [(500, b"x", 503), (404, b"x", 502), (200, b"[]", 502), (302, b"/", 502)]
)
def test_a_provider_that_is_half_broken_is_told_in_a_sentence(server, path, status, body, told):
    forget(server)
    server.there.answers[path] = (status, body)
    client = server.client()
    if path.startswith("/.well"):
        refused(client, client.get("/sign-in/provider"), told)
    else:
        refused(*sign_in(server, email=None), told)
    server.there.answers, server.there.told = {}, {"sub": "s-1", "email": ADDRESS, "email_verified": True}
    assert sign_in(server, email=None)[1].status_code == 303  # It is asked again as soon as somebody comes.


def test_a_provider_that_is_away_is_told_in_a_sentence(server):
    client, sent, code = good(server)
    real = server.app.state.client
    away = f"http://127.0.0.1:{free_port()}"
    server.app.state.client = Client(Provider(away, CLIENT, SECRET, "City login"), real.redirect)
    try:
        assert "cannot be reached" in refused(client, client.get("/sign-in/provider"), 503)
        assert "cannot be reached" in refused(client, back(client, sent, code), 503)
        assert "Password" in server.client().get("/sign-in/provider").text  # The other way in is still there.
        inside = server.inside(AUDITOR)
        assert inside.get("/sign-in/provider?again=1").status_code == 503
        assert inside.get("/inbox").status_code == 200
    finally:
        server.app.state.client = real


@pytest.mark.parametrize(("ago", "recent"), [(0, True), (10, True), (30, False), (None, False)])
def test_a_decision_rests_on_when_the_provider_asked_who_it_is(server, ago, recent):
    """Not on when the browser came from it: a session there may be hours old, with nobody at the machine who began it."""
    moment = None if ago is None else int(server.clock().timestamp()) - 60 * ago
    _, answer = sign_in(server, auth_time=moment)
    assert answer.status_code == 303
    (session, *_) = server.office.sign_ins.sessions(SIGNER)
    assert session.recent(server.clock()) == recent
    assert not session.recent(server.clock() + sessions.RECENT)


@pytest.mark.parametrize("asked", [None, -120])
def test_proof_anew_needs_the_word_of_the_provider_that_it_asked(server, asked):
    client, _ = sign_in(server)
    there, code = server.there, next(CODES)
    answer = client.get("/sign-in/provider?again=1&next=/funds")
    sent = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    moment = asked and int(server.clock().timestamp()) + asked
    there.gives(code, there.signed(there.claims(sent["nonce"], auth_time=moment)))
    answer = back(client, sent, code)
    assert answer.status_code == 403
    assert "did not ask you again" in answer.text


def test_proof_anew_is_for_the_session_that_asked(server):
    """Whoever signs in as somebody else in between has proved nothing for the first."""
    client, _ = sign_in(server)
    sent = {
        n: v[0]
        for n, v in parse_qs(urlsplit(client.get("/sign-in/provider?again=1").headers["location"]).query).items()
    }
    code = next(CODES)
    server.there.gives(code, server.there.signed(server.there.claims(sent["nonce"])))
    server.office.sign_ins.end_sessions(SIGNER)
    refused(client, back(client, sent, code), 409)
