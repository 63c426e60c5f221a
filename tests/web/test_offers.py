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
