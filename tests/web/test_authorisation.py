"""Every route, for every kind of person, on what is theirs and on what is others'.

The table below is the whole of it: a route that is not in it fails the first test.
"""

from __future__ import annotations

import re

import pytest
from places import AUDITOR, PASSWORD, later, serving

from fiscus.bootstrap import open_office
from fiscus.integrate.decision import BUDGET, CLERK, PLANNER
from fiscus.web.app import make_app
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.rounds import commands as rounds
from fiscus.workflow.service import administer, follow, lead

SIGNER, RELEASER, STRANGER, GONE = "planning-commission-1", "director-of-finance", "stranger", "gone"
NOBODY = ""
PEOPLE = (NOBODY, STRANGER, PLANNER, SIGNER, RELEASER, BUDGET, AUDITOR, CLERK)

EVERYBODY = {person for person in PEOPLE if person}
HASH = "0" * 64

# (method, route) -> who is not turned away for who they are, and what is sent.
# "Not turned away" means no 401 or 403: a rule may still say that it is not the time (409) or that what is sent means nothing (422).
PAGES = {
    ("GET", "/inbox"): (EVERYBODY, None),
    ("GET", "/proposals/{name}"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/compare"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/decide"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/books"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/release"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/edit"): (EVERYBODY, None),
    ("GET", "/proposals/{name}/move"): (EVERYBODY, None),
    ("POST", "/proposals/{name}/edit"): ({PLANNER}, {"version": "current", "title": "t", "amount": "7"}),
    ("GET", "/rounds"): (EVERYBODY, None),
    ("GET", "/rounds/{name}"): (EVERYBODY, None),
    ("GET", "/rounds/{name}/template"): (EVERYBODY, None),
    ("GET", "/funds"): (EVERYBODY, None),
    ("GET", "/people"): (EVERYBODY, None),
    ("GET", "/policy"): (EVERYBODY, None),
    ("GET", "/account"): (EVERYBODY, None),
    ("GET", "/audit"): ({AUDITOR, CLERK}, None),
    ("GET", "/audit/export"): ({AUDITOR, CLERK}, None),
    ("POST", "/audit/verify"): ({AUDITOR, CLERK}, {}),
    ("POST", "/policy/try"): (EVERYBODY, {"text": "rules: ["}),
    ("POST", "/people/link"): ({CLERK}, {"person": GONE}),
    ("POST", "/funds/budget"): (
        {BUDGET},
        {"unit": "city", "period": "X", "fund": "f", "amount": "1", "currency": "USD"},
    ),
    ("POST", "/funds/cash"): ({BUDGET}, {"period": "X", "amount": "1", "reserve": "0", "currency": "USD"}),
    ("POST", "/account/password"): (EVERYBODY, {"old": "", "password": "x", "again": "y"}),
    ("POST", "/account/provider"): (EVERYBODY, {"password": PASSWORD}),
    ("POST", "/people/address"): ({CLERK}, {"person": GONE, "email": "gone@example.org"}),
    ("POST", "/people/untie"): ({CLERK}, {"person": GONE, "issuer": "https://login.example.org", "subject": "1"}),
    ("POST", "/people/reset-code"): ({CLERK}, {"person": GONE}),
    ("GET", "/sign-in/provider"): ({*EVERYBODY, NOBODY}, None),
    ("GET", "/sign-in/provider/callback"): ({*EVERYBODY, NOBODY}, None),  # As far as a sentence.
    ("POST", "/sign-in/provider/code"): ({*EVERYBODY, NOBODY}, {"pending": "x", "code": "000000"}),
}
COMMANDS = {
    # what: who may, on a proposal of the planner's that is in review
    "recall": {PLANNER},
    "hold": {SIGNER, RELEASER},
    "comment": EVERYBODY,
    "escalate": EVERYBODY,
    "expire": EVERYBODY,
}
API = {
    ("GET", "/api/me"): (EVERYBODY, None),
    ("GET", "/api/proposals"): (EVERYBODY, None),
    ("GET", "/api/proposals/{name}"): (EVERYBODY, None),
    ("GET", "/api/proposals/{name}/events"): (EVERYBODY, None),
    ("GET", "/api/people"): (EVERYBODY, None),
    ("GET", "/api/funds"): (EVERYBODY, None),
    ("GET", "/api/policy"): (EVERYBODY, None),
    ("GET", "/api/rounds"): (EVERYBODY, None),
    ("GET", "/api/rounds/{name}"): (EVERYBODY, None),
    ("GET", "/api/proposals/{name}/compare"): (EVERYBODY, None),
    ("GET", "/api/delegations"): (EVERYBODY, None),
    ("POST", "/api/policy/try"): (EVERYBODY, {"text": "rules: ["}),
    ("GET", "/api/audit/head"): (EVERYBODY, None),
    ("GET", "/api/audit/export"): ({AUDITOR, CLERK}, None),
    ("GET", "/api/audit/events"): ({AUDITOR, CLERK}, None),
    ("POST", "/api/audit/verify"): ({AUDITOR, CLERK}, {}),
    ("PUT", "/api/funds/budget"): ({BUDGET}, {"unit": "city", "period": "X", "amount": 1, "currency": "USD"}),
    ("PUT", "/api/funds/cash"): ({BUDGET}, {"period": "X", "amount": 1, "currency": "USD"}),
    ("PUT", "/api/proposals/{name}/content"): (
        {PLANNER},
        {
            "title": "t",
            "currency": "USD",
            "items": [{"period": "FY2024", "line": "l", "unit": "city", "fund": "100", "amount": 7}],
        },
    ),
    ("POST", "/api/proposals/{name}/approve"): ({SIGNER}, {"hash": "seen"}),
    ("POST", "/api/proposals/{name}/reject"): ({SIGNER}, {"reason": ""}),
    ("POST", "/api/proposals/{name}/return"): ({SIGNER}, {"reason": ""}),
    ("POST", "/api/proposals/{name}/recall"): ({PLANNER}, {}),
    ("POST", "/api/proposals/{name}/hold"): ({SIGNER, RELEASER}, {"reason": "wait"}),
}
BY_RULES = re.compile(
    r"/api/proposals(/\{name\}/(submit|escalate|break-glass|comment|release|reverse|reconcile|resume|close|expire|commit|actual))?"
    r"|/api/delegations(/\{name\}/end)?|/api/rounds(/\{name\}/(open|answer|target|extend|freeze|reopen|cancel|close))?"
    r"|/proposals/\{name\}/(decide(/sign-in)?|move|release|(do|books)/\{what\})|/people/do/\{what\}|/rounds(/\{name\}/(answer|do/\{what\}))?"
    r"|/policy/adopt|/account/code|/sign-out"
)
"""Whose rules are told apart below, command by command, or which are about oneself."""
OPEN_TO_ALL = {"/sign-in", "/begin/{secret}", "/static/{digest}/{name}", "/healthz", "/", "/api/openapi.json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory, filled, hashed, elsewhere):
    """A server with a stranger, somebody who may no longer act, and a round."""
    import shutil

    path = tmp_path_factory.mktemp("authorisation") / "fiscus.db"
    shutil.copy(filled, path)
    with serving(path, elsewhere.settings, elsewhere.port) as made:
        office = made.office
        with office.store.begin() as uow:
            clerk, at = Actor(CLERK), office.clock()
            for person in (STRANGER, GONE):
                administer(who.AddPerson(person, person.title()), uow, actor=clerk, at=at)
            administer(who.Deactivate(GONE), uow, actor=clerk, at=at)
            administer(who.SetOwner("city", PLANNER), uow, actor=clerk, at=at)
            from datetime import timedelta

            lead(
                rounds.Plan("r", "Round", "USD", {"FY2024": {"100": 5}}, ("city",), at + timedelta(days=9)),
                uow, actor=Actor(BUDGET), at=at,
            )  # fmt: skip
            uow.commit()
        office.sign_ins.set_credential(STRANGER, hashed)
        made.clients = {person: made.client(person) for person in PEOPLE}
        yield made


def fresh(place, name):
    """A proposal of the planner's in review."""
    office = place.office
    content = Content(name, "USD", (Item("FY2024", name, "city", "100", 1),))
    with office.store.begin() as uow:
        for command in (do.Draft(name, content), do.Submit(name)):
            follow(command, uow, actor=Actor(PLANNER), at=office.clock())
        uow.commit()
    return name


COUNT = iter(range(10_000))


def turned_away(answer) -> bool:
    return answer.status_code in (401, 403) or (
        answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
    )


def ask(place, person, method, route, sent):
    name = "r" if "rounds" in route else (fresh(place, f"p{next(COUNT)}") if "{name}" in route else "")
    client, path = place.clients[person], route.replace("{name}", name)
    if method == "GET":
        return client.get(path)
    if route.startswith("/api"):
        sent = dict(sent)
        if sent.get("hash") == "seen":
            sent["hash"] = place.clients[CLERK].get(f"/api/proposals/{name}").json()["hash"]
        headers = {"x-csrf-token": getattr(client, "csrf", "")}
        return client.request(method, path, json=sent, headers=headers)
    if sent.get("version") == "current":
        page = client.get(path).text if person else ""
        sent = {**sent, "version": (re.findall(r'name="version" value="(\w+)"', page) or [""])[0]}
    return client.post(path, data={**sent, "csrf": getattr(client, "csrf", "")})


def test_every_route_is_in_the_table(tmp_path):
    app = make_app(open_office(str(tmp_path / "f.db")))
    known = {route for _, route in (*PAGES, *API)} | OPEN_TO_ALL
    found = set(_routes(app.routes))
    assert len(found) > 50
    unknown = {(m, p) for m, p in found if p not in known and not BY_RULES.fullmatch(p)}
    assert unknown == set()
    assert set(PAGES) | set(API) <= found


def _routes(routes, prefix=""):
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None and not hasattr(route, "methods"):
            yield from _routes(
                inner.routes, prefix + (getattr(getattr(route, "include_context", None), "prefix", "") or "")
            )
        elif hasattr(route, "methods"):
            for method in route.methods - {"HEAD", "OPTIONS"}:
                yield method, prefix + route.path


@pytest.mark.parametrize(("method", "route"), [*PAGES, *API])
def test_whoever_is_not_entitled_is_turned_away(place, method, route):
    may, sent = (PAGES | API)[method, route]
    for person in PEOPLE:
        answer = ask(place, person, method, route, sent)
        assert answer.status_code < 500
        assert turned_away(answer) == (person not in may), (person, answer.status_code, answer.text[:200])


@pytest.mark.parametrize("what", COMMANDS)
def test_commands_of_the_page(place, what):
    for person in PEOPLE:
        answer = ask(
            place,
            person,
            "POST",
            f"/proposals/{{name}}/do/{what}",
            {"reason": "why", "text": "words", "stage": "planning"},
        )
        assert turned_away(answer) == (person not in COMMANDS[what]), (person, answer.status_code, answer.text[-600:])


def test_a_draft_is_submitted_by_its_owner_alone(place):
    office, name = place.office, "draft"
    with office.store.begin() as uow:
        content = Content(name, "USD", (Item("FY2024", name, "city", "100", 1),))
        follow(do.Draft(name, content), uow, actor=Actor(PLANNER), at=office.clock())
        uow.commit()
    for person in (*(each for each in PEOPLE if each != PLANNER), PLANNER):
        assert turned_away(
            place.clients[person].post(
                f"/proposals/{name}/do/submit", data={"csrf": getattr(place.clients[person], "csrf", "")}
            )
        ) or (person == PLANNER)
        status = place.clients[CLERK].get(f"/api/proposals/{name}").json()["status"]
        assert status == ("in_review" if person == PLANNER else "draft")


def test_a_decision_on_the_page(place):
    for person in PEOPLE:
        name = fresh(place, f"p{next(COUNT)}")
        seen = place.clients[CLERK].get(f"/api/proposals/{name}").json()["hash"]
        client = place.clients[person]
        form = {"csrf": getattr(client, "csrf", ""), "hash": seen, "decision": "approve", "choice": "planning|"}
        answer = client.post(f"/proposals/{name}/decide", data=form)
        signed = [each["person"] for each in place.clients[CLERK].get(f"/api/proposals/{name}").json()["approvals"]]
        assert signed == ([SIGNER] if person == SIGNER else []), answer.text[-400:]


@pytest.mark.parametrize(
    ("what", "form", "may"),
    [
        ("add", {"person": "n{}", "name": "N"}, {CLERK}),
        ("change", {"person": STRANGER, "name": "Stranger {}"}, {CLERK}),
        ("grant", {"person": STRANGER, "role": "planning_commission", "unit": "city", "until": later(9)}, {CLERK}),
        ("revoke", {"person": STRANGER, "role": "planning_commission", "unit": "city"}, {CLERK}),
        ("unit", {"unit": "u{}", "parent": "city"}, {CLERK}),
        ("owner", {"unit": "city", "owner": PLANNER}, {CLERK}),
        ("reactivate", {"person": GONE}, {CLERK}),
        ("deactivate", {"person": GONE}, {CLERK}),
    ],
)
def test_commands_about_people(place, what, form, may):
    before = place.clients[CLERK].get("/api/audit/head").json()["size"]
    for person in PEOPLE:
        client = place.clients[person]
        sent = {key: value.format(next(COUNT)) for key, value in form.items()}
        client.post(f"/people/do/{what}", data={**sent, "csrf": getattr(client, "csrf", "")})
    size = place.clients[CLERK].get("/api/audit/head").json()["size"]
    events = place.clients[CLERK].get(f"/api/audit/events?after={before}").json()
    assert size > before
    assert {event["actor"] for event in events} == may


def test_an_answer_of_a_provider_that_nobody_asked_changes_nobodys_sign_in(place):
    for person in PEOPLE:
        client = place.clients[person]
        assert client.get("/sign-in/provider").headers["location"].startswith("http://127.0.0.1:")
        assert client.get("/sign-in/provider/callback?state=x&code=y").status_code == 409
        assert client.post("/sign-in/provider/code", data={"pending": "x", "code": "1"}).status_code == 409
        assert client.get("/api/me").json().get("person", NOBODY) == person


def test_a_round_is_led_and_answered_by_those_it_is_for(place):
    for what, may in (("open", {BUDGET}), ("freeze", {BUDGET}), ("reopen", {BUDGET})):
        before = place.clients[CLERK].get("/api/audit/head").json()["size"]
        for person in PEOPLE:
            client = place.clients[person]
            client.post(f"/rounds/r/do/{what}", data={"reason": "why", "csrf": getattr(client, "csrf", "")})
        events = place.clients[CLERK].get(f"/api/audit/events?after={before}").json()
        assert {event["actor"] for event in events} == may
    before = place.clients[CLERK].get("/api/audit/head").json()["size"]
    for person in PEOPLE:
        client = place.clients[person]
        client.post("/rounds/r/answer", data={"unit": "city", "csrf": getattr(client, "csrf", "")})
    events = place.clients[CLERK].get(f"/api/audit/events?after={before}").json()
    assert {event["actor"] for event in events} == {PLANNER}


def test_a_matrix_is_adopted_by_administrators_alone(place):
    from pathlib import Path

    text = (Path(__file__).parents[2] / "configs" / "authority" / "simple.yaml").read_text(encoding="utf-8")
    before = place.clients[CLERK].get("/api/policy").json()["name"]
    for person in (*(each for each in PEOPLE if each != CLERK), CLERK):
        client = place.clients[person]
        client.post("/policy/adopt", data={"text": text, "csrf": getattr(client, "csrf", "")})
        now = place.clients[CLERK].get("/api/policy").json()["name"]
        assert (now != before) == (person == CLERK), person


def test_addresses_of_people_are_for_administrators(place):
    office = place.office
    with office.store.begin() as uow:
        administer(
            who.ChangePerson(STRANGER, "Stranger", "stranger@example.org"), uow, actor=Actor(CLERK), at=office.clock()
        )
        uow.commit()
    for person in EVERYBODY:
        client = place.clients[person]
        for path in ("/people", "/api/people", "/proposals/fy2024-bonds", "/account"):
            seen = "stranger@example.org" in client.get(path).text
            assert seen == (path == "/people" and person == CLERK)
