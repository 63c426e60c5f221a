"""Real pages in a real browser: the whole Baltimore chain by four people, accessibility of every page, the keyboard, narrow screens.

Pictures of what was seen are kept in ``build/screens``.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import chromium
from openid_provider import PASSWORD as PASSWORD_THERE
from places import AUDITOR, PASSWORD, later, serving
from playwright.sync_api import expect, sync_playwright

from fiscus.integrate.decision import BUDGET, CLERK, PLANNER, PROPOSAL
from fiscus.web.serve import first_link
from fiscus.web.settings import Settings
from fiscus.workflow.canonical import timestamp

SCREENS = Path(__file__).parents[2] / "build" / "screens"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # What passes is not listed element by element, which takes most of the time.
}
PAGES = (
    "/inbox", "/inbox?show=all", f"/proposals/{PROPOSAL}", f"/proposals/{PROPOSAL}?sort=amount", f"/proposals/{PROPOSAL}/decide",
    f"/proposals/{PROPOSAL}/compare", "/rounds", "/rounds/r", "/funds", "/audit", "/people", "/policy", "/account", "/nowhere",
)  # fmt: skip
DIFFERENT = ("/inbox", f"/proposals/{PROPOSAL}", f"/proposals/{PROPOSAL}/decide", "/rounds/r", "/funds")
"""Pages that show others than the clerk something else."""


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium; the machine has no other, and nothing is downloaded."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory, filled):
    path = tmp_path_factory.mktemp("browser") / "fiscus.db"
    shutil.copy(filled, path)
    with serving(path) as made:
        budget, clerk = made.inside(BUDGET), made.inside(CLERK)
        clerk.post("/people/do/owner", data={"csrf": clerk.csrf, "unit": "city", "owner": PLANNER})
        form = {"round": "r", "title": "FY2025", "period": "FY2025", "fund": "100", "amount": "80000000", "currency": "USD",
                "deadline": later(30), "unit": "city"}  # fmt: skip
        budget.post("/rounds", data={**form, "csrf": budget.csrf})
        budget.post("/rounds/r/do/open", data={"csrf": budget.csrf})
        yield made


class Visitor:
    """Somebody at a browser of their own; whatever the browser complains of is a failure."""

    def __init__(self, browser, place, person="", **options):
        self.place, self.complaints = place, []
        self.context = browser.new_context(base_url=place.url, **options)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        if person:  # Signed in already: that a password takes its time is seen in few tests.
            self.context.add_cookies([{"name": "fiscus", "value": place.inside(person).secret, "url": place.url}])
            self.page.goto("/inbox")

    def sign_in(self, person):
        """By the form, as people do."""
        self.page.goto("/sign-in")
        self.page.get_by_label("Name", exact=True).fill(person)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).to_have_url(re.compile("/inbox"))

    def _asked(self, request):
        if not request.url.startswith(self.place.url):
            self.complaints.append(f"asked for {request.url}")

    def screen(self, name):
        self.page.screenshot(path=SCREENS / f"{name}.png", full_page=True)

    def end(self):
        assert self.complaints == []
        self.context.close()


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(each["id"], [node["html"][:160] for node in each["nodes"][:3]]) for each in found]


@pytest.mark.parametrize("look", ["wide", "narrow", "dark"])
def test_every_page_is_accessible(browser, place, look):
    options = {
        "wide": {"viewport": {"width": 1280, "height": 900}},
        "narrow": {"viewport": {"width": 360, "height": 740}},
        "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    }[look]
    nobody = Visitor(browser, place, **options)
    nobody.page.goto("/sign-in")
    assert violations(nobody.page) == []
    nobody.screen(f"{look}-sign-in")
    nobody.sign_in(CLERK)
    nobody.end()
    for person in (CLERK, BUDGET, "planning-commission-1", PLANNER) if look == "wide" else (CLERK,):
        visitor = Visitor(browser, place, person, **options)
        for path in PAGES if person == CLERK else DIFFERENT:
            visitor.page.goto(path)
            assert violations(visitor.page) == [], (person, path)
            width = visitor.page.evaluate("document.documentElement.scrollWidth")
            assert width <= options["viewport"]["width"], (person, path)
            if person == CLERK or path.endswith("decide"):
                visitor.screen(f"{look}-{person}-{path.strip('/').replace('/', '-').replace('?', '-')}")
        visitor.complaints = [each for each in visitor.complaints if "404" not in each]  # /nowhere is meant to be.
        visitor.end()


def test_the_first_page_of_all_is_accessible(browser, empty):
    visitor = Visitor(browser, empty)
    visitor.page.goto(first_link(empty.office, Settings(empty.url)))
    assert violations(visitor.page) == []
    visitor.page.get_by_label("Short name").fill("root")
    visitor.page.get_by_label("Full name").fill("The Root")
    visitor.page.get_by_label(re.compile("^Password")).fill(PASSWORD)
    visitor.page.get_by_label("The same again").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Begin").click()
    expect(visitor.page).to_have_url(re.compile("/inbox"))
    for path in ("/inbox", "/funds", "/people", "/policy", "/rounds", "/audit"):
        visitor.page.goto(path)
        assert violations(visitor.page) == []
    visitor.end()


def test_the_whole_chain_by_people_of_four_bodies(browser, server):
    """Each approves in three clicks from the inbox; what was largest is explained; a stale page decides nothing."""
    stages = (("planning-commission", 5), ("board-of-finance", 3), ("board-of-estimates", 3), ("city-council", 8))
    for body, need in stages:
        visitor = Visitor(browser, server, f"{body}-1")
        clicks = 0
        for role, name in (
            ("link", "FY2024 General Obligation bonds"),
            ("link", "Decide"),
            ("button", re.compile("^Approve")),
        ):
            if name == "Decide":
                reasons = visitor.page.get_by_role("group").first
                assert "Southeast Baltimore Redevelopment" in reasons.inner_text()
                assert "gets USD 14,719,167" in reasons.inner_text()
            visitor.page.get_by_role(role, name=name, exact=isinstance(name, str)).first.click()
            clicks += 1
            if body == "planning-commission":  # The others see the same.
                visitor.screen(f"chain-{body}-{clicks}")
        assert clicks <= 4
        expect(visitor.page.get_by_role("status")).to_contain_text("Your approval was recorded")
        visitor.end()
        for number in range(2, need + 1):  # The others of the panel, without eyes.
            client = server.inside(f"{body}-{number}")
            page = client.get(f"/proposals/{PROPOSAL}/decide").text
            form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
            answer = client.post(
                f"/proposals/{PROPOSAL}/decide", data=form | {"decision": "approve", "csrf": client.csrf}
            )
            assert answer.status_code == 303, answer.text[-500:]
    director = Visitor(browser, server, "director-of-finance")
    director.page.get_by_role("link", name="FY2024 General Obligation bonds").click()
    director.page.get_by_role("link", name="Release money").click()
    assert violations(director.page) == []
    director.screen("chain-release")
    director.page.get_by_role("button", name="Release USD 80,000,000.00").click()
    expect(director.page.get_by_role("status")).to_contain_text("was released")
    expect(director.page.locator(".badge").first).to_have_text("Released")
    director.screen("chain-released")
    director.page.goto("/funds")
    director.screen("chain-funds")
    director.end()
    auditor = Visitor(browser, server, AUDITOR)
    auditor.page.goto("/audit")
    auditor.page.get_by_role("button", name="Verify everything now").click()
    expect(auditor.page.get_by_role("status")).to_contain_text("The log holds")
    auditor.screen("chain-audit")
    assert violations(auditor.page) == []
    auditor.end()


def test_a_decision_by_keyboard_alone(browser, server):
    visitor = Visitor(browser, server)
    page = visitor.page
    page.goto("/sign-in")
    page.keyboard.type("planning-commission-2")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/inbox"))
    reach(page, "FY2024 General Obligation bonds")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("FY2024 General Obligation bonds")
    reach(page, "Decide")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decide")
    reach(page, "Approve USD 80,000,000.00")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your approval was recorded")
    visitor.end()


def reach(page, words):
    """Press Tab until something is in focus, and see that it shows."""
    for _ in range(80):
        page.keyboard.press("Tab")
        there = page.evaluate("document.activeElement.innerText") or ""
        if there.strip() == words:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"{words!r} cannot be reached with the keyboard")


def test_sorting_swaps_the_table_alone_and_works_without_scripts(browser, place):
    for scripts in (True, False):
        visitor = Visitor(browser, place, "planning-commission-1", java_script_enabled=scripts)
        page = visitor.page
        page.goto(f"/proposals/{PROPOSAL}")
        if scripts:
            page.evaluate("window.kept = true")
        page.get_by_role("link", name="Recommended").click()
        expect(page.locator("#lines th[aria-sort]")).to_contain_text("Recommended")
        first = page.locator("#lines tbody tr").first
        expect(first).to_contain_text("Southeast Baltimore Redevelopment")
        assert "sort=amount" in page.url
        if scripts:
            assert page.evaluate("window.kept") is True
        page.get_by_role("link", name="Next").click()
        expect(page.locator("#lines")).to_contain_text("Page 2 of 3")
        if scripts:  # What is swapped in is read from its top, by eyes and by keyboard.
            expect(page.locator("#lines-h")).to_be_in_viewport()
            expect(page.locator("#lines-h")).to_be_focused()
            page.get_by_role("link", name="Next").click()
            expect(page.locator("#lines")).to_contain_text("Page 3 of 3")
            page.go_back()
        visitor.end()


def test_units_are_looked_into_by_the_map(browser, place):
    visitor = Visitor(browser, place, "planning-commission-1")
    visitor.page.goto(f"/proposals/{PROPOSAL}")
    visitor.page.locator("#map svg a").first.click()
    expect(visitor.page.get_by_role("navigation", name="Units")).to_contain_text("Dept. of Housing")
    visitor.screen("map-of-a-unit")
    assert violations(visitor.page) == []
    visitor.end()


def test_a_decision_on_an_old_page_is_refused_and_what_was_written_is_kept(browser, server):
    visitor = Visitor(browser, server, "planning-commission-1")
    page = visitor.page
    page.goto(f"/proposals/{PROPOSAL}/decide")
    planner = server.inside(PLANNER)
    content = planner.get(f"/api/proposals/{PROPOSAL}").json()["content"]
    changed = {key: content[key] for key in ("title", "currency", "risk", "justification")}
    changed |= {"title": "Changed under the approver", "items": content["items"]}
    headers = {"x-csrf-token": planner.csrf}
    assert planner.put(f"/api/proposals/{PROPOSAL}/content", json=changed, headers=headers).status_code == 200
    assert planner.post(f"/api/proposals/{PROPOSAL}/submit", json={}, headers=headers).status_code == 200
    page.get_by_label(re.compile("^Reason")).fill("I looked at it for an hour")
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.get_by_role("alert")).to_contain_text("not the version you saw")
    expect(page.get_by_label(re.compile("^Reason"))).to_have_value("I looked at it for an hour")
    page.goto(f"/proposals/{PROPOSAL}/compare")
    expect(page.locator("main")).to_contain_text("Changed under the approver")
    visitor.screen("compare")
    visitor.complaints = [each for each in visitor.complaints if "409" not in each]
    visitor.end()


def test_print_shows_what_is_folded(browser, place):
    visitor = Visitor(browser, place, "planning-commission-1")
    visitor.page.goto(f"/proposals/{PROPOSAL}")
    visitor.page.emulate_media(media="print")
    visitor.screen("print")
    folded = visitor.page.locator("#changes details").nth(1)
    assert folded.get_attribute("open") is None
    assert folded.locator("p").first.bounding_box()["height"] > 10
    assert folded.locator("p").first.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    assert not visitor.page.get_by_role("navigation", name="Main").is_visible()
    visitor.end()


def there(visitor, elsewhere, button="Allow"):
    """Sign in at the provider, by its own form, and let it say who it is."""
    page = visitor.page
    expect(page).to_have_title("Provider")
    assert page.url.startswith(elsewhere.url)
    page.get_by_label("Username").fill("pc1")
    page.get_by_label("Password").fill(PASSWORD_THERE)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title("Consent")
    page.get_by_role("button", name=button).click()


def looked_at(visitor, name):
    """A page of ours on the way: accessible, narrow enough, and kept as a picture."""
    assert violations(visitor.page) == [], name
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 1280
    visitor.screen(f"openid-{name}")


def test_signing_in_at_a_provider_by_its_own_form(browser, federated, elsewhere):
    signer, store = "planning-commission-1", federated.office.sign_ins
    visitor = Visitor(browser, federated)
    page = visitor.page
    page.goto(f"/proposals/{PROPOSAL}/decide")
    looked_at(visitor, "sign-in")
    page.get_by_role("link", name="Sign in with City login").click()
    there(visitor, elsewhere, "Cancel")
    expect(page.get_by_role("alert")).to_contain_text("City login did not let you in")
    looked_at(visitor, "refused")
    page.get_by_role("link", name="Sign in with City login").click()
    expect(page).to_have_title("Consent")  # It knows them by now.
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decide")

    for session in store.sessions(signer):
        store.touch_session(replace(session, proved=timestamp(federated.clock() - timedelta(hours=1))))
    page.reload()
    looked_at(visitor, "decide-with-both")
    store._write(("DELETE FROM credentials WHERE person = ?", (signer,)))
    secret = pyotp.random_base32()
    store.set_second_factor(signer, secret)
    page.reload()
    looked_at(visitor, "decide-again")
    page.get_by_role("link", name="Confirm with City login").click()
    there(visitor, elsewhere)
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    looked_at(visitor, "code")
    page.get_by_label("Code of your authenticator").fill(pyotp.TOTP(secret).at(federated.clock()))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.get_by_role("status")).to_contain_text("Your approval was recorded")
    page.goto("/account")
    looked_at(visitor, "account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in"))
    visitor.complaints = [each for each in visitor.complaints if not _of_the_provider(each, elsewhere)]
    visitor.end()

    clerk = Visitor(browser, federated, CLERK)
    clerk.page.goto("/people")
    looked_at(clerk, "people")
    clerk.page.get_by_role("button", name="Untie the account 1").click()
    expect(clerk.page.locator("main")).not_to_contain_text(elsewhere.issuer)
    clerk.page.goto("/account")
    clerk.page.locator("#o-password").fill(PASSWORD)
    looked_at(clerk, "account-to-tie")
    clerk.page.get_by_role("button", name="Go on to City login").click()
    looked_at(clerk, "leave")
    clerk.page.get_by_role("link", name="Go on to City login").click()
    there(clerk, elsewhere)
    expect(clerk.page.locator("main")).to_contain_text("signs in as you")
    clerk.complaints = [each for each in clerk.complaints if not _of_the_provider(each, elsewhere)]
    clerk.end()


def _of_the_provider(complaint, elsewhere):
    """Pages of the provider are asked for, it has no picture of itself, and our refusal is told as one."""
    return (
        complaint.startswith(f"asked for {elsewhere.url}/") or "(Not Found)" in complaint or "(Forbidden)" in complaint
    )


def test_no_table_is_cut_and_no_number_breaks_on_a_narrow_screen(browser, place):
    visitor = Visitor(browser, place, PLANNER, viewport={"width": 360, "height": 740})
    page = visitor.page
    for path in (
        "/inbox?show=all",
        f"/proposals/{PROPOSAL}",
        f"/proposals/{PROPOSAL}/edit",
        f"/proposals/{PROPOSAL}/decide",
        "/funds",
        "/policy",
    ):
        page.goto(path)
        cut = page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        )
        assert cut == 0, path
        unnamed = page.evaluate("[...document.querySelectorAll('tbody td')].filter(e => !e.dataset.label).length")
        assert unnamed == 0, path
        for amount in page.locator(".tiles dd", has_text=re.compile(r"\d,\d")).all():
            high = amount.evaluate("e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight)")
            assert high < (2.5 if "USD" in amount.inner_text() else 1.5), (path, amount.inner_text())
    page.goto(f"/proposals/{PROPOSAL}/edit")
    field = page.locator("tbody input[name=amount]").first.bounding_box()
    assert field["x"] >= 0
    assert field["x"] + field["width"] <= 360
    visitor.end()


def test_the_printed_decision_names_what_is_signed_and_by_whom(browser, place):
    visitor = Visitor(browser, place, "planning-commission-1", viewport={"width": 700, "height": 1000})
    page = visitor.page
    page.goto(f"/proposals/{PROPOSAL}/decide")
    page.emulate_media(media="print")
    assert page.locator("form.signed code.hash").first.is_visible()
    assert page.get_by_text("You sign for Planning Commission").is_visible()
    assert not page.get_by_role("button", name=re.compile("^Approve")).is_visible()
    assert not page.locator("#words").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.locator(".scroll").first.evaluate("e => e.scrollWidth <= e.clientWidth")
    visitor.screen("print-decide")
    visitor.end()


@pytest.mark.parametrize("width", [360, 390])
def test_pictures_are_whole_and_readable_on_a_narrow_screen(browser, place, width):
    visitor = Visitor(browser, place, "planning-commission-1", viewport={"width": width, "height": 800})
    page = visitor.page
    for path in (f"/proposals/{PROPOSAL}", f"/proposals/{PROPOSAL}?unit=dept-of-housing-community-dev", "/funds"):
        page.goto(path)
        assert not page.locator(".broad").first.is_visible()
        shapes = page.evaluate("""[...document.querySelectorAll('.slim svg :is(rect, circle, text)')]
            .filter(e => !e.closest('defs')).map(e => {
                const at = e.getBoundingClientRect(), shown = e.tagName === 'text' ? at.height : 99
                return [e.textContent, at.left, at.right, shown] })""")
        assert len(shapes) > 5, path
        outside = [each for each in shapes if each[1] < 0 or each[2] > width]
        assert outside == [], path
        assert min(each[3] for each in shapes) >= 11, "text of a height that people can read"
    page.goto(f"/proposals/{PROPOSAL}")
    risen = page.locator("#changes .slim text", has_text="▲")
    assert risen.count() >= 3
    assert "14.2m" in risen.first.text_content()
    visitor.end()


def test_all_lines_can_be_printed(browser, place):
    visitor = Visitor(browser, place, "planning-commission-1")
    page = visitor.page
    page.goto(f"/proposals/{PROPOSAL}")
    told = page.locator("#lines .on-paper")
    assert not told.is_visible()
    page.emulate_media(media="print")
    expect(told).to_contain_text("50 of 118 lines")
    page.emulate_media(media="screen")
    page.get_by_role("link", name="All of them on one page").click()
    expect(page.locator("#lines tbody tr")).to_have_count(118)
    assert page.locator(".pager").count() == 0
    visitor.end()
