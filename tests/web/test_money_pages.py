"""Changing a proposal, moving its money, and recording what came of it: on pages, with every refusal told where it happens."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from chromium import chromium
from places import PASSWORD, hidden, release
from playwright.sync_api import sync_playwright

from fiscus.web.pages.compare import told

SCREENS = Path(__file__).parents[2] / "build" / "screens"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def post(client, path, **data):
    return client.post(path, data={"csrf": client.csrf, **data})


def sign(town, *people, name="p"):
    for person in people:
        client = town.inside(person)
        page = f"/proposals/{name}/decide"
        answer = client.post(page, data=hidden(client.get(page).text, "Approve") | {"decision": "approve"})
        assert answer.status_code == 303, answer.text[-900:]


def approved(town):
    sign(town, "head", "council-1", "council-2")


def places(town, name="p"):
    return {line: there for _, line, *there in town.inside("clerk").get(f"/api/proposals/{name}").json()["places"]}


def test_money_is_ordered_paid_undone_and_reconciled_on_a_page(town):
    approved(town)
    treasurer, books = town.inside("treasurer"), "/proposals/p/books"
    assert release(treasurer).status_code == 303
    both = {"period": ["2027", "2027"], "line": ["bridge", "pump"]}
    assert post(treasurer, f"{books}/commit", **both, amount=["500", ""], reference="order 1").status_code == 303
    assert places(town)["bridge"] == [10_000, 50_000, 0]
    assert post(treasurer, f"{books}/actual", **both, amount=["550.00", "1"], reference="bill 1").status_code == 303
    assert places(town) == {"bridge": [5_000, 0, 55_000], "pump": [19_900, 0, 100]}
    page = treasurer.get(books).text
    (number,) = re.findall(r"<td[^>]*>Spent</td>.*?name=\"version\" value=\"(\d+)\"", page)
    answer = post(treasurer, f"{books}/reverse", version=number, reason="")
    assert answer.status_code == 409
    assert "Say why" in answer.text
    assert post(treasurer, f"{books}/reverse", version=number, reason="Billed twice").status_code == 303
    assert places(town) == {"bridge": [10_000, 50_000, 0], "pump": [20_000, 0, 0]}
    assert post(treasurer, f"{books}/actual", **both, amount=["500", ""], reference="bill 2").status_code == 303
    checker = town.inside("checker")
    answer = post(checker, f"{books}/reconcile", period="2027", amount="499", reference="bank")
    assert answer.status_code == 409
    assert "differ by" in answer.text
    assert post(checker, f"{books}/reconcile", period="2027", amount="500.00", reference="bank").status_code == 303
    assert "✓ yes" in checker.get(books).text


def test_a_release_says_what_it_releases(town):
    approved(town)
    treasurer, path = town.inside("treasurer"), "/proposals/p/release"
    page = treasurer.get(path).text
    assert "Release USD 800.00</button>" in page
    assert "The bridge" in page
    part = {"what": "part", "left": "80000", "period": ["2027", "2027"], "line": ["bridge", "pump"]}
    answer = post(treasurer, path, **part, amount=["", " "])
    assert answer.status_code == 422
    assert "Write an amount" in answer.text
    assert post(treasurer, path).status_code == 422
    assert post(treasurer, "/proposals/p/do/release").status_code == 422
    answer = post(treasurer, path, what="whole", left="60000")
    assert answer.status_code == 409
    assert "changed since you saw this page" in answer.text
    answer = post(treasurer, path, **part, amount=["100", "999"])
    assert answer.status_code == 409
    assert 'value="999"' in answer.text
    assert places(town) == {}
    assert post(treasurer, path, **part, amount=["100", ""]).status_code == 303
    assert places(town) == {"bridge": [10_000, 0, 0]}
    assert post(treasurer, path, **part, amount=["100", ""]).status_code == 409  # Pressed twice.
    assert places(town) == {"bridge": [10_000, 0, 0]}
    assert "Release USD 700.00</button>" in treasurer.get(path).text
    head = town.inside("head")
    assert "You cannot release it" in head.get(path).text
    assert post(head, path, **part | {"left": "70000"}, amount=["1", ""]).status_code == 403
    assert release(treasurer).status_code == 303
    assert places(town) == {"bridge": [60_000, 0, 0], "pump": [20_000, 0, 0]}
    assert "Nothing is reserved" in treasurer.get(path).text


def test_moving_money_takes_a_recent_sign_in_exactly_like_approving(town):
    approved(town)
    treasurer, path, books = town.client("treasurer"), "/proposals/p/release", "/proposals/p/books"
    town.clock.ahead = timedelta(minutes=20)
    form = hidden(treasurer.get(path).text, 'value="whole"')
    for password, status in (("", 409), ("wrong", 403)):
        answer = treasurer.post(path, data=form | {"password": password})
        assert answer.status_code == status
        assert "Nothing was released" in answer.text
    assert places(town) == {}
    assert treasurer.post(path, data=form | {"password": PASSWORD}).status_code == 303
    town.clock.ahead = timedelta(minutes=40)
    form = hidden(treasurer.get(books).text, "Undo the chosen") | {"reason": "Too early"}
    (number,) = re.findall(r'name="version" value="(\d+)"', treasurer.get(books).text)
    answer = treasurer.post(f"{books}/reverse", data=form | {"version": number})
    assert answer.status_code == 409
    assert "enter your password" in answer.text
    assert 'value="Too early"' in answer.text
    answer = treasurer.post(f"{books}/reverse", data=form | {"version": number, "password": PASSWORD})
    assert answer.status_code == 303
    assert places(town) == {"bridge": [0, 0, 0], "pump": [0, 0, 0]}


WRONG = (
    ("commit", {"amount": ["999999", ""], "reference": "r"}, "is more"),
    ("commit", {"amount": ["five", ""], "reference": "r"}, "bridge in 2027"),
    ("actual", {"amount": ["5", ""], "reference": " "}, "reference"),
    ("actual", {"amount": ["", ""], "reference": "r"}, "Say how much of which lines"),
    ("reverse", {"version": "x", "reason": "r"}, "no number of an event"),
    ("reverse", {"version": "1", "reason": "r"}, "moved no money"),
)


def test_what_cannot_be_recorded_is_told_on_the_page(town):
    approved(town)
    treasurer = town.inside("treasurer")
    release(treasurer)
    for what, data, words in WRONG:
        sent = {"period": ["2027", "2027"], "line": ["bridge", "pump"], **data}
        answer = post(treasurer, f"/proposals/p/books/{what}", **sent)
        assert answer.status_code in (409, 422)
        assert words in answer.text
        assert "Nothing was recorded" in answer.text
    assert all(there[1:] == [0, 0] for there in places(town).values())


def test_nobody_else_records(town):
    approved(town)
    release(town.inside("treasurer"))
    for person in ("author", "head", "council-3", "warden-1", "clerk", "purse"):
        client = town.inside(person)
        assert "Record an order" not in client.get("/proposals/p/books").text
        sent = {"period": "2027", "line": "bridge", "amount": "1", "reference": "r"}
        assert post(client, "/proposals/p/books/commit", **sent).status_code == 403
        assert post(client, "/proposals/p/books/reconcile", **sent).status_code == 403
    assert all(there[1:] == [0, 0] for there in places(town).values())


def test_the_owner_writes_another_version_and_the_two_are_compared(town):
    author = town.inside("author")
    form = hidden(author.get("/proposals/p/edit").text, "Save")
    words = {"title": "Bridge & pump", "justification": "The pump failed"}
    answer = author.post("/proposals/p/edit", data=form | words | {"amount": ["550.00", "2x"]})
    assert answer.status_code == 422
    assert "The pump in 2027" in answer.text
    assert 'value="2x"' in answer.text
    assert author.post("/proposals/p/edit", data=form | words | {"amount": ["550.00", "1,250"]}).status_code == 303
    made = author.get("/api/proposals/p").json()
    assert made["status"] == "draft"
    assert [item["amount"] for item in made["content"]["items"]] == [55_000, 125_000]
    seen = author.get("/proposals/p/compare").text
    assert "The pump failed" in seen
    assert "+1,050.00" in seen
    answer = author.post("/proposals/p/edit", data=form | words | {"key": "another", "amount": ["1", "2"]})
    assert answer.status_code == 409
    assert "Somebody wrote another version" in answer.text


def test_nobody_but_the_owner_writes(town):
    for person in ("head", "clerk", "purse"):
        client = town.inside(person)
        assert "/edit" not in client.get("/proposals/p").text
        form = hidden(client.get("/proposals/p/edit").text, "Save")
        answer = client.post("/proposals/p/edit", data=form | {"title": "t", "amount": ["1", "2"]})
        assert answer.status_code == 403


def test_words_alone_keep_what_was_computed(server):
    from fiscus.integrate.decision import PLANNER, PROPOSAL

    planner = server.inside(PLANNER)
    page = planner.get(f"/proposals/{PROPOSAL}/edit").text
    assert "nothing is proved about it any more" in page
    amounts = re.findall(r'aria-label="New amount of [^"]*" value="([^"]*)"', page)
    form = hidden(page, "Save") | {"title": "Other words", "justification": "Because", "amount": amounts}
    assert planner.post(f"/proposals/{PROPOSAL}/edit", data=form).status_code == 303
    content = planner.get(f"/api/proposals/{PROPOSAL}").json()["content"]
    assert content["title"] == "Other words"
    assert content["origin"] == "optimiser"
    assert content["evidence"]["proof"]
    form = hidden(planner.get(f"/proposals/{PROPOSAL}/edit").text, "Save") | {"title": "t", "justification": "j"}
    assert planner.post(f"/proposals/{PROPOSAL}/edit", data=form | {"amount": ["1", *amounts[1:]]}).status_code == 303
    changed = planner.get(f"/api/proposals/{PROPOSAL}").json()["content"]
    assert changed["origin"] == "manual"
    kept, first = changed["evidence"], changed["items"][0]
    assert kept["carried"]["changed"] == [[first["period"], first["line"]]]
    assert kept["asked"] == content["evidence"]["asked"]
    assert set(kept["reasons"]) == set(content["evidence"]["reasons"]) - {first["line"]}
    assert not {"proof", "value", "bound", "binding", "last_year", "without", "checks"} & set(kept)
    page = planner.get(f"/proposals/{PROPOSAL}").text
    assert f"1 of {len(amounts)} amounts was changed by hand after the solve" in page
    assert "As computed for version 1" in page
    assert "Nothing computed a reason" not in page
    again = {name: content[name] for name in ("title", "currency", "items", "risk", "justification")}
    answer = planner.put(f"/api/proposals/{PROPOSAL}/content", json=again, headers={"x-csrf-token": planner.csrf})
    assert answer.status_code == 200, answer.text
    back = planner.get(f"/api/proposals/{PROPOSAL}").json()["content"]
    assert (back["origin"], back["evidence"]) == ("optimiser", content["evidence"])


def test_an_amount_below_zero_is_said_as_money_of_its_line(town):
    author = town.inside("author")
    form = hidden(author.get("/proposals/p/edit").text, "Save") | {"title": "t", "justification": "j"}
    answer = author.post("/proposals/p/edit", data=form | {"amount": ["-5", "2"]})
    assert answer.status_code == 422
    assert re.search(r"item 1, [^,]+ in [^,]+, amount: [A-Z]{3} .?5\.00 is below zero", answer.text)


def test_approved_money_is_moved_by_a_proposal_of_its_own(town):
    approved(town)
    author = town.inside("author")
    form = hidden(author.get("/proposals/p/move").text, "Begin") | {"title": "Pump first", "justification": "It failed"}
    answer = author.post("/proposals/p/move", data=form | {"proposal": "m", "amount": ["-700", "700"]})
    assert answer.status_code == 409
    assert "cannot be taken" in answer.text
    answer = author.post("/proposals/p/move", data=form | {"proposal": "a/b", "amount": ["-50", "50"]})
    assert answer.status_code == 422
    assert "without a slash" in answer.text
    answer = author.post(
        "/proposals/p/move", data=form | {"proposal": "m", "key": "k", "amount": ["\N{MINUS SIGN}50", "50"]}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/proposals/m"
    made = author.get("/api/proposals/m").json()
    assert [item["amount"] for item in made["content"]["items"]] == [-5_000, 5_000]
    page = author.get("/proposals/m").text
    assert re.search(r"wants to move [A-Z]{3} 50.00", page)
    assert "last year" not in page.split("What the words")[0]
    before = re.findall(
        r'<td[^>]*class="number"[^>]*>([\d,.]+)</td>', page.split('id="moves"')[1].split("</section>")[0]
    )
    assert post(author, "/proposals/m/do/submit").status_code == 303
    sign(town, "head", "council-1", "council-2", name="m")
    page = author.get("/proposals/m").text
    assert (
        re.findall(r'<td[^>]*class="number"[^>]*>([\d,.]+)</td>', page.split('id="moves"')[1].split("</section>")[0])
        == before
    )
    assert before == ["600.00", "550.00", "200.00", "250.00"]
    assert "650.00" not in author.get("/proposals/p/books").text
    assert "550.00" in author.get("/proposals/p/books").text


def test_their_pages_are_accessible_and_narrow(town):
    approved(town)
    release(town.inside("treasurer"))
    pages = (
        ("treasurer", "/proposals/p/release"),
        ("treasurer", "/proposals/p/books"),
        ("checker", "/proposals/p/books"),
        ("author", "/proposals/p/move"),
        ("author", "/proposals/p/edit"),
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(base_url=town.url, viewport={"width": 360, "height": 740}, color_scheme="dark")
        page = context.new_page()
        for person, path in pages:
            context.add_cookies([{"name": "fiscus", "value": town.inside(person).secret, "url": town.url}])
            page.goto(path)
            found = Axe().run(page, options=RULES).response["violations"]
            assert [each["id"] for each in found] == [], (person, path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
            SCREENS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENS / f"money-{person}-{path.rsplit('/', 1)[1]}.png", full_page=True)
        browser.close()


def test_versions_are_compared_in_words_and_figures_of_people():
    fields = (
        ("bound", "55208432.285981394", "55208424.77"),
        ("digests", '{"lines": "ab"}', '{"lines": "cd"}'),
        ("title", "Old", "New"),
        ("rule floor", "at least 5", "at least 6"),
        ("value", "12.001", "12.002"),
    )
    found = {each.name: each for each in told(fields)}
    assert found["no plan is worth more than"].old == "55,208,432.29", "a bound is rounded up"
    assert found["title"].kind == "words"
    assert found["digests"].kind == "machine"
    assert found["rule floor"].kind == "rules"
    assert "worth of the plan" not in found, "what reads the same is no difference"


def test_a_compared_page_counts_one_line_as_one(town):
    author = town.client("author")
    content = author.get("/api/proposals/p").json()["content"]
    items = [content["items"][0] | {"amount": content["items"][0]["amount"] - 100}, *content["items"][1:]]
    body = {key: content[key] for key in ("title", "currency", "risk", "justification")} | {"items": items}
    headers = {"x-csrf-token": author.csrf}
    assert author.put("/api/proposals/p/content", json=body, headers=headers).status_code == 200
    seen = author.get("/proposals/p/compare").text
    assert "1 line changed; 1 did not." in seen
    assert seen.index("<summary>Digests of the two versions") > seen.index("Lines that changed")


def test_the_edit_page_adds_up_and_says_how_much_is_too_much(town):
    author = town.client("author")
    page = author.get("/proposals/p/edit").text
    assert "has USD 1,000.00 available; these amounts take 800.00 of it." in page
    assert "USD 200.00 would be left" in page
    form = hidden(page, "Save the new version") | {"title": "Bridge", "amount": ["1,000.00", "250"], "only": "sum"}
    summed = author.post("/proposals/p/edit", data=form)
    assert summed.status_code == 200
    assert "That is USD 250.00 too much." in summed.text
    assert 'value="1,000.00"' in summed.text
    assert len(author.get("/api/proposals/p").json()["content"]["items"]) == 2
    assert author.get("/api/proposals/p").json()["content"]["items"][0]["amount"] == 60_000, "nothing was saved"
