"""The log in plain words, searched without regard to case; a round that says where asks are above targets."""

from __future__ import annotations

from places import hidden, later

from fiscus.web.happened import WORDS
from fiscus.workflow.proposal.evolve import HANDLERS


def test_every_event_of_a_proposal_has_words():
    assert set(WORDS) == {"Drafted", *HANDLERS}


def test_the_history_is_told_in_words(town):
    head = town.inside("head")
    form = hidden(head.get("/proposals/p/decide").text, "Approve") | {"decision": "approve"}
    assert head.post("/proposals/p/decide", data=form).status_code == 303
    page = head.get("/proposals/p").text
    assert "<strong>head</strong> signed for head" in page
    assert "the next step may sign now" in page
    assert "StepOpened" not in page


def test_the_log_is_searched_without_regard_to_case(town):
    checker = town.inside("checker")
    page = checker.get("/audit?who=Author&kind=drafted").text
    assert ">Drafted</td>" in page
    assert "No event fits" in checker.get("/audit?who=auth").text
    assert "Download the log" in page


def test_an_ask_above_its_target_is_remarked_on(town):
    author, purse = town.inside("author"), town.inside("purse")
    sent = {"round": "r", "title": "R", "period": "2028", "amount": "100", "deadline": later(9), "unit": "town"}
    for path, data in (
        ("/rounds", sent),
        ("/rounds/r/do/open", {}),
        ("/rounds/r/do/target", {"unit": "town", "period": "2028", "amount": "20"}),
    ):
        assert purse.post(path, data={"csrf": purse.csrf, **data}).status_code == 303
    row = {"line": "pump", "period": "2028", "fund": "general", "title": "Pump", "justification": "Old"}
    for amount, more in (("20", False), ("25.50", True)):
        data = {"csrf": author.csrf, "unit": "town", "amount": amount, **row}
        assert author.post("/rounds/r/answer", data=data).status_code == 303
        page = author.get("/rounds/r").text
        assert ("town asks for USD 5.50 more than its target." in page) == more
        assert (">above the target<" in page) == more
