"""Many proposals, one of 1,379 lines, and 50 people at once: what a page weighs, and that nothing fails or is lost meanwhile.

How fast it is is a benchmark's to say: ``./run bench pages``.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from places import later, serving

from fiscus.bootstrap import open_office
from fiscus.workflow.actor import Actor
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import follow, reading

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"
MOST = 300_000
"""Bytes of a page with everything that it fetches."""

SETTLED = "all-projects-approved"


@dataclass
class Weight:
    """Bytes of a page with all that a browser fetches for it that has nothing of it yet."""

    plain: int
    wire: int


def brought(name):
    """A module of the benchmarks, which stand beside each other."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def crowd():
    return brought("crowd")


@pytest.fixture(scope="module")
def busy(tmp_path_factory, crowd):
    """150 proposals and two with every project of the City: one in review, one in its second version and approved."""
    path = tmp_path_factory.mktemp("busy") / "fiscus.db"
    people = crowd.fill(path, 150)
    office = open_office(str(path))
    at, boards = office.clock(), [each for each in people.approvers if "head" not in each]
    with office.store.begin() as uow:
        content = reading.content(uow, reading.known_proposal(uow, crowd.LARGE).content)
        doubled = replace(content, items=tuple(replace(item, amount=2 * item.amount + 1) for item in content.items))
        follow(do.Draft(SETTLED, content), uow, actor=Actor("planner-002"), at=at)
        follow(do.Edit(SETTLED, doubled), uow, actor=Actor("planner-002"), at=at)
        follow(do.Submit(SETTLED), uow, actor=Actor("planner-002"), at=at)
        hash_ = reading.known_proposal(uow, SETTLED).hash
        for person in boards:
            status = follow(do.Approve(SETTLED, hash_), uow, actor=Actor(person), at=at).status
        assert status == "approved"
        uow.commit()
    office.store.close()
    with serving(path) as made:
        budget = made.client("budget-office")
        form = {"round": "r", "title": "FY2025", "period": "FY2025", "fund": "100", "amount": "80000000", "currency": "USD",
                "deadline": later(30), "unit": "city"}  # fmt: skip
        assert budget.post("/rounds", data={**form, "csrf": budget.csrf}).status_code == 303
        yield made


@pytest.fixture(scope="module")
def browsers(busy):
    """A browser of each person; none keeps anything but its session."""
    return cache(busy.client)


def weight(browser: httpx.Client, path: str) -> Weight:
    """What a browser fetches for a page, with an empty cache."""
    page = browser.get(path)
    assert page.status_code == 200, path
    found, seen = [page], set()
    for link in re.findall(r'(?:<link[^>]+href|<script[^>]+src|<img[^>]+src)="([^"]+)"', page.text):
        if link not in seen:
            seen.add(link)
            found.append(browser.get(link))
    assert len(seen) >= 3, "style, script and icon"
    assert all(each.status_code == 200 for each in found)
    assert not any("url(/" in each.text or "@import" in each.text for each in found), "styles fetch nothing more"
    return Weight(sum(len(each.content) for each in found), sum(each.num_bytes_downloaded for each in found))


LARGE = "/proposals/all-projects"
PAGES = (
    ("finance-1", "/inbox"), ("finance-1", "/inbox?show=all"), ("finance-1", "/inbox?show=overdue"),
    ("finance-1", LARGE), ("finance-1", f"{LARGE}?sort=line&down=0&number=28"), ("finance-1", f"{LARGE}?unit=department-14"),
    ("finance-1", f"{LARGE}/decide"), ("finance-1", f"{LARGE}/compare"), ("treasurer", f"/proposals/{SETTLED}"),
    ("finance-1", f"/proposals/{SETTLED}/compare"), ("finance-1", "/policy"), ("inspector", "/audit"),
    ("budget-office", "/funds"), ("clerk", "/people"), ("finance-1", "/account"), ("budget-office", "/rounds"),
    ("budget-office", "/rounds/r"),
)  # fmt: skip


@pytest.mark.parametrize(("person", "path"), PAGES)
def test_a_page_weighs_less_than_300_kilobytes(browsers, person, path):
    found = weight(browsers(person), path)
    print(f"{path}: {found.plain:,} bytes, {found.wire:,} over the wire")
    assert max(found.plain, found.wire) < MOST


def test_the_large_proposal_is_the_one_that_the_city_asked_for(busy, crowd):
    with busy.office.store.read() as reader:
        content = reading.content(reader, reading.known_proposal(reader, crowd.LARGE).content)
    assert len(content.items) == len({item.line for item in content.items}) == crowd.PROJECTS
    assert content.evidence["proof"]["status"] == "proved"
    assert len(content.units) > 20


@pytest.mark.slow
def test_fifty_approvers_for_two_minutes(tmp_path, crowd):
    pages = brought("pages")
    path = tmp_path / "fiscus.db"
    people = crowd.fill(path, pages.PROPOSALS)
    assert len(people.approvers) == 50
    seen = pages.observed(path, people, pages.SECONDS, pages.THINK)  # Verifies log and ledger afterwards.
    for kind, page in seen["pages"].items():
        print(f"{kind}: {page}")
    assert seen["errors"] == []
    assert seen["lost"] == []
    assert len(seen["taken"]) > 50
    assert seen["pages"]["inbox"]["count"] > 100
    assert seen["pages"]["large proposal"]["count"] > 100
    assert max(page["bytes"] for page in seen["pages"].values()) < MOST
