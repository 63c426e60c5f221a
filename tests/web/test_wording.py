"""Undocumented means failing: every heading and every field of an approver's page can be understood by somebody new."""

from __future__ import annotations

import re
from html import unescape

import pytest
from jinja2 import UndefinedError
from places import hidden, release

from fiscus.integrate.decision import PROPOSAL
from fiscus.web.rendering import templates
from fiscus.web.wording import HELP, meaning

HEADING = re.compile(r'<(?:th scope="col"|dt)([^>]*)>(.*?)</(?:th|dt)>', re.DOTALL)


def headings(page):
    """Columns and figures with the help that each has, the list of meanings itself aside."""
    shown = page.partition('<details id="words">')[0]
    found = []
    for attributes, inside in HEADING.findall(shown):
        words = re.sub(r"<[^>]+>|[▲▼]", "", inside).strip()
        title = re.search(r'title="([^"]*)"', attributes)
        found.append((unescape(words), unescape(title[1]) if title else ""))
    return found


def explained(page):
    found = headings(page)
    for words, title in found:
        assert HELP.get(words) == title, f"{words!r} is explained nowhere"
    listed = page.partition('<details id="words">')[2].partition("</details>")[0]
    for words, _ in found:
        assert f"<dt>{words}</dt>" in listed, "help is there for those without a mouse, too"
    return {words for words, _ in found}


def fields(page):
    """Fields without a label, a legend or a name for screen readers."""
    found = []
    for tag, attributes in re.findall(r"<(input|select|textarea)\b([^>]*)>", page):
        name = re.search(r'\bid="([^"]*)"', attributes)
        labelled = (
            (name and f'<label for="{name[1]}"' in page) or f'class="away" for="{name[1]}"' in page if name else False
        )
        if 'type="hidden"' not in attributes and "aria-label=" not in attributes and not labelled:
            found.append((tag, attributes))
    return found


def test_the_page_of_a_computed_proposal_explains_itself(shared):
    client = shared.inside("planning-commission-1")
    page = client.get(f"/proposals/{PROPOSAL}").text
    seen = explained(page)
    assert {
        "Requested",
        "Recommended",
        "Last year",
        "Change",
        "Rule",
        "A little more room is worth",
        "Given",
        "Available now",
    } <= seen
    assert fields(page) == []
    assert "recommends USD 80,000,000.00 of 210,125,000.00 asked for" in page
    assert "118 lines of 9 units" in page
    assert "(34% of it)" in page
    assert "binds: 32,000,000.00 is spent, 32,000,000.00 may be" in page
    assert "this rule costs 0.03811 per dollar" in page
    assert "36% less money than the 80.0m of this plan" in page
    assert "one more unit" not in page
    assert "Its score in the plan is 0.8849; scores go from 0.556 to 1." in page
    assert "National Heritage Area" not in page.split('id="map"')[0]
    asked = client.get(f"/proposals/{PROPOSAL}?line=474-208&sort=given&down=1").text
    assert "It stops where" in asked.split('id="why"')[1].split("</article>")[0]
    assert len(asked) < 300_000
    decide = client.get(f"/proposals/{PROPOSAL}/decide").text
    assert {"Recommended", "Lines", "Control"} <= explained(decide)
    assert fields(decide) == []
    assert "signature 1 of the 5" in decide
    assert "Southeast Baltimore Redevelopment" in decide


def test_every_state_of_a_proposal_explains_itself(town):
    """By hand, signed, approved, released and with broken glass, for each who may do something."""
    seen = set()
    for person in ("head", "council-1", "council-2", "treasurer"):
        for looker in ("author", "head", "council-3", "treasurer", "warden-1", "checker"):
            client = town.inside(looker)
            for path in ("/proposals/p", "/proposals/p/decide", "/funds"):
                page = client.get(path).text
                seen |= explained(page)
                assert fields(page) == [], (looker, path)
        client = town.inside(person)
        if person == "treasurer":
            seen |= explained(client.get("/proposals/p/release").text)
            release(client)
        else:
            form = hidden(client.get("/proposals/p/decide").text, "Approve")
            client.post("/proposals/p/decide", data=form | {"decision": "approve"})
    seen |= explained(town.inside("head").get("/proposals/p").text)
    assert {"By what right", "Release now", "Still reserved", "Available"} <= seen


def test_help_is_sentences():
    for term, words in HELP.items():
        assert term[0].isupper()
        assert len(words) > 4
        assert words[0].isupper() or words[0] == "▲"
        assert words.endswith(".")
        assert term.casefold() != words.casefold().rstrip(".")


def test_a_heading_without_help_cannot_be_shown():
    with pytest.raises(KeyError):
        meaning("Flux")
    page = templates().from_string('{% import "parts.html" as parts %}{{ parts.th("Flux") }}')
    with pytest.raises((KeyError, UndefinedError)):
        page.render()


def test_titles_of_people_do_not_turn_the_figures_beside_them(town):
    """A title that turns the direction of what follows ends where it stands."""
    author = town.inside("author")
    body = {"title": "Bridge", "currency": "USD", "justification": "\u202etuo",
            "items": [{"period": "2027", "line": "b", "unit": "town", "amount": 5, "title": "\u202eegdirb"}]}  # fmt: skip
    author.put("/api/proposals/p/content", json=body, headers={"x-csrf-token": author.csrf})
    page = author.get("/proposals/p").text
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert drawn
    assert "\u202e" not in drawn
    assert "<bdi>\u202eegdirb</bdi>" in page
    assert "<bdi>\u202etuo</bdi>" in page
