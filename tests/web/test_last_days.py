"""Last days are shown as they were written, and who may read the log is told by the role's exact name."""

from __future__ import annotations

import re

from places import later

from fiscus.web.rendering import day, ends
from fiscus.workflow.canonical import last_day, until


def test_what_ends_as_a_day_begins_had_the_day_before_as_its_last():
    assert last_day("2027-01-01T00:00:00.000000Z") == "2026-12-31"
    assert until("2027-01-01T00:00:00.000000Z") == "2026-12-31"
    assert until("2026-12-31T23:59:59.000000Z") == "2026-12-31"
    assert until("2026-12-31T14:30:00.000000Z") == "2026-12-31 14:30 UTC"
    assert ends("2027-01-01T00:00:00.000000Z") == "31 Dec 2026"
    assert ends("2026-12-31T14:30:00.000000Z") == "31 Dec 2026 14:30 UTC"
    assert until("") == last_day("") == ""
    assert ends("") == "\N{EN DASH}"


def test_a_last_day_is_shown_as_it_was_written(town):
    last = later(9)
    shown = day(last)
    head, purse = town.inside("head"), town.inside("purse")
    sent = {"taker": "council-1", "since": later(0), "until": last}
    assert head.post("/people/do/delegate", data={"csrf": head.csrf, **sent}).status_code == 303
    assert f"to {shown}" in head.get("/account").text
    assert f">{shown}</td>" in head.get("/people").text
    sent = {"round": "r", "title": "R", "period": "2027", "amount": "10", "deadline": last, "unit": "town"}
    assert purse.post("/rounds", data={"csrf": purse.csrf, **sent}).status_code == 303
    assert f"(until {last})" in purse.get("/rounds/r").text
    assert "0.00 times" not in purse.get("/rounds/r").text
    assert f">{shown}</td>" in purse.get("/rounds").text


def test_the_log_names_its_role_and_who_gives_it(town):
    answer = town.inside("head").get("/audit")
    assert answer.status_code == 403
    assert "role &#39;auditor&#39;, by exactly that name" in answer.text
    assert re.search(r"page People: Clerk", answer.text)


def test_the_auditor_of_the_demo_reads_the_log(shared):
    assert shared.inside("city-auditor").get("/audit").status_code == 200
