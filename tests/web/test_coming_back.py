"""Coming back to a decision: after the sign-in was over, after signing, after somebody wrote another version."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from places import PASSWORD, hidden

DECIDE = "/proposals/p/decide"
WORDS = 'The pump "failed" <b>twice</b>\nand again'


def approve(client):
    return client.post(DECIDE, data=hidden(client.get(DECIDE).text, "Approve") | {"decision": "approve"})


def approvals(town):
    return town.inside("clerk").get("/api/proposals/p").json()["approvals"]


def rewrite(author, submit=True, title="Other"):
    form = hidden(author.get("/proposals/p/edit").text, "Save")
    sent = form | {"title": title, "justification": "j", "amount": ["500", "100"]}
    assert author.post("/proposals/p/edit", data=sent).status_code == 303
    if submit:
        assert author.post("/proposals/p/do/submit", data={"csrf": author.csrf}).status_code == 303


def ended(town):
    """Somebody who wrote a reason, and whose sign-in was over when they sent it."""
    head = town.inside("head")
    form = hidden(head.get(DECIDE).text, "Approve") | {"reason": WORDS, "decision": "approve"}
    town.clock.ahead = timedelta(hours=2)
    return head, form


def test_what_was_written_outlives_the_session(town):
    head, form = ended(town)
    answer = head.post(DECIDE, data=form)
    assert answer.status_code == 401
    assert "What you wrote is kept" in answer.text
    assert "<b>twice" not in answer.text
    carried = {k: html.unescape(v) for k, v in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text)}
    assert carried["reason"] == WORDS
    assert set(carried) == {"reason", "decision", "choice"}
    wrong = head.post(f"{DECIDE}/sign-in", data=carried | {"person": "head", "password": "wrong"})
    assert wrong.status_code == 403
    assert html.escape(WORDS, quote=False).split("\n")[1] in wrong.text
    page = head.post(f"{DECIDE}/sign-in", data=carried | {"person": "head", "password": PASSWORD})
    assert page.status_code == 200
    assert approvals(town) == []
    written = re.findall(r'<textarea id="reason"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)
    assert html.unescape(written[0]) == WORDS
    sent = hidden(page.text, "Approve") | {"reason": WORDS, "decision": "approve"}
    assert head.post(DECIDE, data=sent).status_code == 303
    assert [each["person"] for each in approvals(town)] == ["head"]


def test_nothing_from_elsewhere_is_carried_into_a_sign_in(town):
    head, form = ended(town)
    answer = head.post(DECIDE, data=form, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/proposals/p/decide"
    sent = {"reason": WORDS, "person": "head", "password": PASSWORD}
    answer = head.post(f"{DECIDE}/sign-in", data=sent, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_other_forms_lead_back_to_their_page(town):
    nobody = town.client()
    for path, target in (
        (DECIDE, DECIDE),
        ("/proposals/p/do/hold", "/proposals/p"),
        ("/proposals/p/books/commit", "/proposals/p/books"),
        ("/rounds/r/do/open", "/rounds/r"),
        ("/people/do/grant", "/people"),
        ("/sign-out", "/inbox"),
    ):
        assert nobody.post(path, data={"x": "y"}).headers["location"] == f"/sign-in?next={target}"


def test_an_address_alone_says_nothing(town):
    head = town.inside("head")
    for done in ("approve", "return", "reject", "break", "release"):
        for client in (head, town.inside("author")):
            assert 'role="status"' not in client.get(f"/proposals/p?done={done}").text
    assert approve(head).status_code == 303
    assert "Your approval was recorded" in head.get("/proposals/p?done=approve").text
    assert "Your approval was recorded" not in town.inside("council-1").get("/proposals/p?done=approve").text
    rewrite(town.inside("author"))
    assert "Your approval was recorded" not in head.get("/proposals/p?done=approve").text


def test_a_second_press_says_that_one_signed(town):
    head = town.inside("head")
    form = hidden(head.get(DECIDE).text, "Approve") | {"decision": "approve"}
    assert head.post(DECIDE, data=form).status_code == 303
    answer = head.post(DECIDE, data=form | {"key": "a-second-tab"})
    assert answer.status_code == 409
    assert "You signed this version on" in answer.text
    assert "No stage" not in answer.text
    assert "You signed this version on" in head.get(DECIDE).text
    assert len(approvals(town)) == 1


def test_another_version_is_told_in_plain_words(town):
    head, author = town.inside("head"), town.inside("author")
    form = hidden(head.get(DECIDE).text, "Approve") | {"decision": "approve"}
    rewrite(author, submit=False)
    answer = head.post(DECIDE, data=form)
    assert answer.status_code == 409
    assert "not the version you saw" in answer.text
    assert "See what changed" in answer.text
    assert "Possible:" not in answer.text
    assert author.post("/proposals/p/do/submit", data={"csrf": author.csrf}).status_code == 303
    assert "version 2 was written since" in head.post(DECIDE, data=form).text
    assert approve(head).status_code == 303
    rewrite(author, title="Another")
    for path in (DECIDE, "/proposals/p"):
        page = head.get(path).text
        assert "You signed version 2 on" in page
        assert "version 3 differs" in page
        assert "/compare?first=2&amp;second=3" in page


def test_what_cannot_be_done_is_told_on_the_page_it_was_tried_on(town):
    head = town.inside("head")
    answer = head.post("/proposals/p/do/hold", data={"csrf": head.csrf, "reason": " "})
    assert answer.status_code == 409
    assert "Say why" in answer.text
    assert "Bridge &amp; pump" in answer.text
    answer = head.post("/proposals/p/do/resume", data={"csrf": head.csrf, "reason": 'I "waited"'})
    assert answer.status_code == 409
    assert 'value="I &#34;waited&#34;"' in answer.text
    assert head.post("/proposals/none/do/hold", data={"csrf": head.csrf}).status_code == 404
    purse = town.inside("purse")
    sent = {"round": "r", "title": "R", "period": "2027", "amount": "10", "deadline": "2999-01-01", "unit": "town"}
    assert purse.post("/rounds", data={"csrf": purse.csrf, **sent}).status_code == 303
    answer = purse.post("/rounds/r/do/freeze", data={"csrf": purse.csrf, "reason": "Now"})
    assert answer.status_code == 409
    assert 'value="Now"' in answer.text
    answer = purse.post("/people/do/grant", data={"csrf": purse.csrf, "person": "head", "role": "budget"})
    assert "This is not for you to do" in answer.text
    assert 'href="/people">Back to the page' in answer.text
