"""The API beside proposals: rounds, delegations, comparing versions, trying a matrix, and the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from places import TOWN

from fiscus.integrate.proposing import content_of_run
from fiscus.workflow.actor import Actor
from fiscus.workflow.audit.export import verify_export
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import follow, reading
from fiscus.workflow.service.difference import difference, rule_in_words


def post(client, path, **body):
    return client.post(f"/api{path}", json=body, headers={"x-csrf-token": client.csrf})


def moment(**ahead):
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def test_a_round_is_planned_answered_and_frozen(town):
    purse, author = town.inside("purse"), town.inside("author")
    plan = {"id": "r", "title": "2028", "currency": "USD", "units": ["town"], "deadline": moment(days=9),
            "funds": [{"period": "2028", "amount": 90_000}]}  # fmt: skip
    assert post(author, "/rounds", **plan).status_code == 403
    assert post(purse, "/rounds", **plan).status_code == 201
    assert post(purse, "/rounds/r/target", unit="town", period="2028", amount=80_000).status_code == 200
    assert post(purse, "/rounds/r/open").status_code == 200
    ask = {"line": "dam", "period": "2028", "amount": 70_000, "title": "The dam", "justification": "It leaks"}
    assert post(purse, "/rounds/r/answer", unit="town", asks=[ask]).status_code == 403
    assert post(author, "/rounds/r/answer", unit="town", asks=[ask]).status_code == 200
    assert post(purse, "/rounds/r/extend", deadline=moment(days=20)).status_code == 200
    assert post(purse, "/rounds/r/freeze").json()["status"] == "frozen"
    assert post(author, "/rounds/r/answer", unit="town", asks=[]).status_code == 409
    assert post(purse, "/rounds/r/reopen", reason="A mistake").json()["status"] == "open"
    assert post(purse, "/rounds/r/cancel", reason="No money").json()["status"] == "cancelled"
    seen = author.get("/api/rounds/r").json()
    assert seen["answers"]["town"]["asks"][0]["amount"] == 70_000
    assert author.get("/api/rounds").json() == ["r"]


def test_a_delegation_is_given_seen_and_ended(town):
    head, other = town.inside("head"), town.inside("council-1")
    assert (
        post(head, "/delegations", taker="council-1", since=moment(minutes=-1), until=moment(days=3)).status_code == 201
    )
    (given,) = other.get("/api/delegations").json()
    assert (given["giver"], given["taker"]) == ("head", "council-1")
    assert other.get("/api/me").json()["acts_for"] == ["head"]
    assert town.inside("clerk").get("/api/delegations").json() == []
    assert post(town.inside("purse"), f"/delegations/{given['id']}/end").status_code in (403, 409)
    assert post(head, f"/delegations/{given['id']}/end").status_code == 200
    assert other.get("/api/me").json()["acts_for"] == []


def test_versions_are_compared(town):
    author = town.inside("author")
    items = [
        {"period": "2027", "line": "bridge", "unit": "town", "amount": 55_000, "prior": 50_000, "title": "The bridge"}
    ]
    body = {"title": "Bridge", "currency": "USD", "items": items}
    headers = {"x-csrf-token": author.csrf}
    assert author.put("/api/proposals/p/content", json=body, headers=headers).status_code == 200
    found = author.get("/api/proposals/p/compare").json()
    assert (found["first"], found["second"], found["before"], found["after"]) == (1, 2, 80_000, 55_000)
    assert [(each["line"], each["before"], each["after"]) for each in found["lines"]] == [
        ("pump", 20_000, None), ("bridge", 60_000, 55_000)
    ]  # fmt: skip
    assert ["title", "Bridge & pump", "Bridge"] in [list(each.values()) for each in found["fields"]]
    same = author.get("/api/proposals/p/compare?first=2&second=2").json()
    assert same["lines"] == []
    assert same["fields"] == []
    assert author.get("/api/proposals/p/compare?first=3").status_code == 404
    assert author.get("/api/proposals/p/compare?first=0&second=9").status_code == 404


def test_rules_that_changed_between_versions_are_told(server, run_folder):
    """A rule that is new, one that is gone, one with another number, and another budget."""
    from dataclasses import replace

    content = content_of_run(run_folder, title="Bonds", risk_bands=())
    rules = [dict(rule) for rule in content.evidence["rules"]]
    assert {"id", "kind", "text", "owner", "hard"} <= set(rules[0])
    gone, altered = rules.pop(0), rules[0]
    altered["floor"] = 1.0
    rules.append(
        {"id": "art", "kind": "envelope", "text": "Art is paid for", "hard": False, "penalty": 0.5, "floor": 5.0}
    )
    budget = {"FY2024": 7_500_000_000}
    after = replace(content, evidence={**content.evidence, "rules": rules, "budget": budget})
    fields = {name: (old, new) for name, old, new in difference(content, after).fields}
    assert fields == {
        "budget FY2024": ("USD 80,000,000.00", "USD 75,000,000.00"),
        f"rule {gone['id']}": (rule_in_words(gone), ""),
        f"rule {altered['id']}": (rule_in_words(content.evidence["rules"][1]), rule_in_words(altered)),
        "rule art": ("", "Art is paid for (soft, penalty 0.5; kind envelope; floor 5)"),
    }
    assert "floor 4,650,000" in fields[f"rule {altered['id']}"][0]
    office, planner = server.office, "planning-staff"
    with office.store.begin() as uow:
        before = reading.content(uow, reading.known_proposal(uow, "fy2024-bonds").content)
        changed = replace(before, evidence={**before.evidence, "rules": rules})
        follow(do.Edit("fy2024-bonds", changed), uow, actor=Actor(planner), at=office.clock())
        uow.commit()
    page = server.inside(planner).get("/proposals/fy2024-bonds/compare").text
    assert "Art is paid for" in page
    assert "0 lines changed" in page
    shown = server.inside(planner).get("/proposals/fy2024-bonds").text
    assert "rules that the plan was made under" in shown
    assert "Art is paid for" in shown


def test_a_matrix_is_tried_and_the_log_searched_and_taken_away(town, tmp_path):
    clerk = town.inside("clerk")
    assert post(clerk, "/policy/try", text="rules: [").json()["faults"]
    euro = post(clerk, "/policy/try", text=TOWN.replace("currency: USD", "currency: EUR")).json()
    assert "in USD, and the limits of the matrix are in EUR" in euro["faults"][0]
    form = {"csrf": clerk.csrf, "text": TOWN.replace("currency: USD", "currency: EUR")}
    page = clerk.post("/policy/try", data=form)
    assert page.status_code == 422
    assert "limits of the matrix are in EUR" in page.text
    tried = post(clerk, "/policy/try", text=TOWN).json()
    assert tried["faults"] == []
    assert len(tried["header"]) > 3
    assert post(town.inside("head"), "/proposals/p/comment", text="I look").status_code == 200
    found = clerk.get("/api/audit/events", params={"actor": "head"}).json()
    assert [each["kind"] for each in found] == ["Commented"]
    found = clerk.get("/api/audit/events", params={"stream": "proposal/p", "kind": "Submitted"}).json()
    assert [each["stream"] for each in found] == ["proposal/p"]
    assert clerk.get("/api/audit/events", params={"kind": "Nothing"}).json() == []
    answer = clerk.get("/api/audit/export")
    (tmp_path / "log.jsonl").write_bytes(answer.content)
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert verify_export(tmp_path / "log.jsonl")
