"""Broken glass: two people with the emergency role, never one twice, never anybody else; said aloud wherever one looks."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from chromium import chromium
from places import PASSWORD, TOWNSFOLK, hidden
from playwright.sync_api import expect, sync_playwright

from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.service import administer

DECIDE = "/proposals/p/decide"
SCREENS = Path(__file__).parents[2] / "build" / "screens"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def status(town):
    return town.inside("clerk").get("/api/proposals/p").json()["status"]


def break_it(client, reason="The river rises", **more):
    form = hidden(client.get(DECIDE).text, "glass")
    return client.post(DECIDE, data=form | {"decision": "break", "reason": reason} | more)


def test_two_people_break_it_and_everybody_sees_it(town):
    first, second = town.inside("warden-1"), town.inside("warden-2")
    assert "You would be the first of two" in first.get(DECIDE).text
    assert break_it(first).status_code == 303
    assert status(town) == "in_review"
    for person in ("author", "head", "warden-2", "clerk"):
        seen = town.inside(person).get("/proposals/p").text
        assert "The glass is half broken" in seen
        assert "Warden-1" in seen
        assert "The river rises" in seen
    assert "this breaks it" in second.get(DECIDE).text
    assert break_it(second, "The river is here").status_code == 303
    assert status(town) == "approved"
    seen = town.inside("author").get("/proposals/p").text
    assert "The glass was broken" in seen
    assert "3 missing signatures" in seen
    assert "The river rises" in seen
    assert "The river is here" in seen
    assert "broke the glass" in seen
    log = town.inside("checker").get("/audit").text
    assert log.count("broken glass") == 2


def test_one_person_is_not_two(town):
    warden = town.inside("warden-1")
    assert break_it(warden).status_code == 303
    answer = break_it(warden)
    assert answer.status_code == 409
    assert "takes somebody else" in answer.text
    assert status(town) == "in_review"


def test_a_delegate_of_the_first_is_not_the_second(town):
    at = town.office.clock()
    with town.office.store.begin() as uow:
        command = who.Delegate("author", at, at + timedelta(days=2))
        administer(command, uow, actor=Actor("warden-1"), at=at)
        administer(who.Delegate("treasurer", at, at + timedelta(days=2)), uow, actor=Actor("warden-1"), at=at)
        uow.commit()
    assert break_it(town.inside("warden-1")).status_code == 303
    answer = break_it(town.inside("treasurer"))
    assert answer.status_code == 409
    assert "somebody else" in answer.text
    author = town.inside("author")  # Who wrote it has that part, in whoever's name: it is not offered, and not taken.
    assert 'value="break"' not in author.get(DECIDE).text
    form = {"csrf": author.csrf, "hash": author.get("/api/proposals/p").json()["hash"], "choice": "|warden-1"}
    answer = author.post(DECIDE, data=form | {"decision": "break", "reason": "I want it"})
    assert answer.status_code == 409
    assert "was author of p" in answer.text
    assert status(town) == "in_review"


def test_nobody_else_has_the_button_or_the_right(town):
    for person in (name for name in TOWNSFOLK if not name.startswith("warden")):
        client = town.inside(person)
        assert 'value="break"' not in client.get(DECIDE).text
        assert "decide#glass" not in client.get("/proposals/p").text
        seen, headers = client.get("/api/proposals/p").json()["hash"], {"x-csrf-token": client.csrf}
        form = {"csrf": client.csrf, "hash": seen, "choice": "|", "decision": "break", "reason": "I want it"}
        assert client.post(DECIDE, data=form).status_code == 409
        body = {"hash": seen, "reason": "I want it"}
        assert client.post("/api/proposals/p/break-glass", json=body, headers=headers).status_code == 403
    assert status(town) == "in_review"


def test_it_takes_a_reason(town):
    for reason in ("", "   "):
        answer = break_it(town.inside("warden-1"), reason)
        assert answer.status_code == 409
        assert "Say why" in answer.text


def test_it_takes_the_hash_that_was_seen(town):
    answer = break_it(town.inside("warden-1"), hash="0" * 64)
    assert answer.status_code == 409
    assert "not the version you saw" in answer.text
    assert status(town) == "in_review"


def test_it_takes_a_recent_sign_in_exactly_like_approving(town):
    warden = town.client("warden-1")
    town.clock.ahead = timedelta(minutes=20)
    page = warden.get(DECIDE).text
    assert 'id="glass-password"' in page
    assert "enter your password" in break_it(warden).text
    assert break_it(warden, password="wrong").status_code == 409
    assert "half broken" not in town.inside("clerk").get("/proposals/p").text
    assert break_it(warden, password=PASSWORD).status_code == 303
    assert "half broken" in town.inside("clerk").get("/proposals/p").text


def test_an_edit_mends_the_glass(town):
    assert break_it(town.inside("warden-1")).status_code == 303
    author = town.inside("author")
    form = hidden(author.get("/proposals/p/edit").text, "Save")
    data = form | {"title": "Bridge", "justification": "j", "amount": ["600", "200"]}
    assert author.post("/proposals/p/edit", data=data).status_code == 303
    assert author.post("/proposals/p/do/submit", data={"csrf": author.csrf}).status_code == 303
    assert "half broken" not in author.get("/proposals/p").text
    assert "first of two" in town.inside("warden-2").get(DECIDE).text


def test_over_json_the_same_happens(town):
    for person, wanted in (("warden-1", "in_review"), ("warden-2", "approved")):
        client = town.inside(person)
        seen = client.get("/api/proposals/p").json()["hash"]
        headers = {"x-csrf-token": client.csrf}
        assert client.post("/api/proposals/p/break-glass", json={"hash": seen}, headers=headers).status_code == 409
        body = {"hash": seen, "reason": "The river rises"}
        answer = client.post("/api/proposals/p/break-glass", json=body, headers=headers)
        assert answer.json()["status"] == wanted


def test_in_a_browser_by_two_people_with_the_keyboard(town):
    SCREENS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for person, button in (("warden-1", "Touch the glass"), ("warden-2", "Break the glass: approve USD 800.00")):
            page = browser.new_context(base_url=town.url, viewport={"width": 360, "height": 740}).new_page()
            complaints = []
            page.on(
                "console", lambda m, seen=complaints: seen.append(m.text) if m.type in ("error", "warning") else None
            )
            page.goto("/sign-in?next=/proposals/p")
            page.get_by_label("Name", exact=True).fill(person)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_role("link", name="Emergency").press("Enter")
            expect(page.get_by_role("heading", name="In an emergency: break the glass")).to_be_visible()
            if person == "warden-2":
                assert Axe().run(page, options=RULES).response["violations"] == []
            page.screenshot(path=SCREENS / f"glass-{person}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            page.get_by_role("button", name=button).press(
                "Enter"
            )  # Without a reason the browser itself does not send it.
            expect(page).to_have_url(re.compile("decide"))
            page.get_by_label(re.compile("^Why it cannot wait")).fill("The river rises")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.innerText") == button
            page.keyboard.press("Enter")
            expect(page.get_by_role("note", name="Broken glass")).to_contain_text("The river rises")
            if person == "warden-1":
                assert Axe().run(page, options=RULES).response["violations"] == []
                page.screenshot(path=SCREENS / "glass-half.png", full_page=True)
            assert complaints == []
        expect(page.locator(".badge").first).to_have_text("Approved")
        browser.close()
