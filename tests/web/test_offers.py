"""What is offered would be taken: whoever has a part already is offered no other, and awaited nowhere."""

from __future__ import annotations

from places import hidden, later

DECIDE = "/proposals/p/decide"


def delegate(town, giver, taker):
    client = town.inside(giver)
    sent = {"csrf": client.csrf, "taker": taker, "since": later(0), "until": later(9)}
    assert client.post("/people/do/delegate", data=sent).status_code == 303


def approve(client, choice=""):
    form = hidden(client.get(DECIDE).text, "Approve") | {"decision": "approve"}
    return client.post(DECIDE, data=form | ({"choice": choice} if choice else {}))


def test_a_delegate_who_proposed_it_is_offered_nothing(town):
    delegate(town, "head", "author")
    author = town.inside("author")
    page = author.get(DECIDE).text
    assert "You cannot sign it: author was author of p" in page
    assert 'value="approve"' not in page
    assert f'href="{DECIDE}"' not in author.get("/proposals/p").text
    assert "Nothing waits for you" in author.get("/inbox").text
    assert "The bridge" in town.inside("head").get(DECIDE).text


def test_signing_for_a_colleague_uses_up_ones_own(town):
    assert approve(town.inside("head")).status_code == 303
    delegate(town, "council-2", "council-1")
    one = town.inside("council-1")
    assert "uses up your own signature too" in one.get(DECIDE).text
    assert "Council-1, Council-2, Council-3" in one.get("/proposals/p").text
    assert approve(one, "council|council-2").status_code == 303
    page = one.get("/proposals/p").text
    assert "waits for Council-3." in page
    assert f'href="{DECIDE}"' not in page
    assert "You signed this version for council-2 on" in one.get(DECIDE).text


def test_the_inbox_tells_what_came_back_and_what_is_asked(town):
    author, purse = town.inside("author"), town.inside("purse")
    assert "Nothing waits for you" in author.get("/inbox").text
    page = author.get("/inbox?text=zebra").text
    assert "Nothing in this list has “zebra”" in page
    assert "Nothing waits for you" not in page
    head = town.inside("head")
    form = hidden(head.get(DECIDE).text, "Return") | {"decision": "return", "reason": "Why two?"}
    assert head.post(DECIDE, data=form).status_code == 303
    page = author.get("/inbox").text
    assert "came back to you for changes" in page
    assert "Nothing waits for you" not in page
    assert "came back" not in author.get("/inbox?text=zebra").text
    assert "came back" not in author.get("/inbox?show=all").text
    assert "came back" not in head.get("/inbox").text
    sent = {
        "round": "r",
        "title": "Year <2028>",
        "period": "2028",
        "amount": "10",
        "deadline": later(9),
        "unit": "town",
    }
    assert purse.post("/rounds", data={"csrf": purse.csrf, **sent}).status_code == 303
    assert "asks what" not in author.get("/inbox").text
    assert purse.post("/rounds/r/do/open", data={"csrf": purse.csrf}).status_code == 303
    page = author.get("/inbox").text
    assert "Year &lt;2028&gt;" in page
    assert "asks what town needs. Answers until" in page
    asked = {"csrf": author.csrf, "unit": "town", "line": "pump", "period": "2028", "fund": "general", "amount": "5"}
    asked |= {"title": "Pump", "justification": "Old"}
    assert author.post("/rounds/r/answer", data=asked).status_code == 303
    assert "asks what" not in author.get("/inbox").text
