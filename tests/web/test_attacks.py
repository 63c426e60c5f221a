"""What a scanner would try, and what people with an account might: none of it does anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest
from places import AUDITOR, PASSWORD, later

from fiscus.integrate.decision import BUDGET, CLERK, PLANNER, PROPOSAL
from fiscus.web.visits import safe_path
from fiscus.workflow.identity.sessions import Identity
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import follow

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</textarea><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7}",
    "\u202eevil\u0000"[:-1],
]
PAGES = ("/inbox?show=all", f"/proposals/{PROPOSAL}", "/proposals/evil", "/proposals/evil/decide", "/proposals/evil/compare",
         "/funds", "/people", "/policy", "/rounds", "/rounds/evil", "/audit", "/account")  # fmt: skip


class Seen(HTMLParser):
    """Elements of a page, and what in them could run."""

    def __init__(self):
        super().__init__()
        self.elements, self.bad, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        for name, value in attrs:
            leads = name in ("src", "href", "action", "formaction", "hx-get")
            away = leads and re.match(r"(?i)\s*(https?:|javascript:|data:|//)", value or "")
            if name.startswith("on") or name == "style" or away:
                self.bad.append((tag, name, value))
        if tag == "script" and not dict(attrs).get("src", "").startswith("/static/"):
            self.bad.append((tag, attrs))
        if tag in ("style", "iframe", "object", "embed", "base"):
            self.bad.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


def looked_at(text):
    seen = Seen()
    seen.feed(text)
    return seen


@pytest.fixture
def poisoned(server):
    """Hostile words in every place where people write."""
    planner, clerk, budget = server.client(PLANNER), server.client(CLERK), server.client(BUDGET)
    all_evil = " ".join(EVIL)
    items = tuple(
        Item("FY2024", f"l{number}{words}"[:60], "city", "100", 100 + number, 5, words)
        for number, words in enumerate(EVIL)
    )
    content = Content(all_evil, "USD", items, "manual", "", all_evil)
    with server.office.at_work(PLANNER) as (uow, actor, at, key):
        follow(do.Draft("evil", content), uow, actor=actor, at=at, key=key)
    post = planner.post("/proposals/evil/do/comment", data={"csrf": planner.csrf, "text": all_evil})
    assert post.status_code == 303
    for number, words in enumerate(EVIL):
        clerk.post("/people/do/add", data={"csrf": clerk.csrf, "person": f"e{number}", "name": words, "email": ""})
    clerk.post("/people/do/unit", data={"csrf": clerk.csrf, "unit": EVIL[0], "parent": "city"})
    clerk.post("/people/do/owner", data={"csrf": clerk.csrf, "unit": "city", "owner": PLANNER})
    data = {"csrf": budget.csrf, "round": "evil", "title": all_evil, "period": EVIL[1], "fund": EVIL[2], "amount": "5",
            "currency": "USD", "deadline": later(9), "unit": "city"}  # fmt: skip
    assert budget.post("/rounds", data=data).status_code == 303
    budget.post("/rounds/evil/do/open", data={"csrf": budget.csrf})
    for person, subject in ((AUDITOR, EVIL[0]), (PLANNER, EVIL[1])):
        server.office.sign_ins.set_identity(Identity(f"https://{all_evil}", subject, person))
    rows = {"csrf": planner.csrf, "unit": "city", "line": EVIL[0], "title": EVIL[1], "period": EVIL[1], "fund": EVIL[2],
            "amount": EVIL[3], "justification": EVIL[3]}  # fmt: skip
    answer = planner.post("/rounds/evil/answer", data=rows)
    assert answer.status_code == 422
    assert looked_at(answer.text).bad == []
    assert planner.post("/rounds/evil/answer", data=rows | {"amount": "5"}).status_code in (303, 422)
    return server


def test_words_of_people_stay_words(poisoned):
    auditor = poisoned.client(AUDITOR)
    found = 0
    for path in PAGES:
        answer = auditor.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        seen = looked_at(answer.text)
        assert seen.bad == [], path
        found += "<script>alert(1)</script>" in seen.text
    people = looked_at(poisoned.client(CLERK).get("/people").text)
    assert people.bad == []
    assert f"at https://{EVIL[0]}" in people.text
    assert found >= 4  # It was there to be seen, as text.
    for path in ("/inbox", f"/proposals/{PROPOSAL}", "/audit", "/people", "/compare"):
        for words in EVIL:
            answer = auditor.get(
                f"{path}?text={quote(words)}&who={quote(words)}&unit={quote(words)}&sort={quote(words)}&as_of={quote(words)}"
            )
            assert answer.status_code in (200, 404, 422)
            assert looked_at(answer.text).bad == []


def test_every_answer_has_its_headers(shared):
    client = shared.client(AUDITOR)
    for path in (
        "/inbox",
        "/api/me",
        "/sign-in",
        "/nowhere",
        "/api/nowhere",
        "/static/x/style.css",
        "/api/openapi.json",
    ):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers or "uvicorn" in headers["server"]
        assert "strict-transport-security" not in headers
    style = re.search(r"/static/[0-9a-f]+/style\.css", client.get("/inbox").text)[0]
    assert "immutable" in client.get(style).headers["cache-control"]


def test_behind_tls_browsers_are_told_to_stay_there(tmp_path):
    from fastapi.testclient import TestClient

    from fiscus.bootstrap import open_office
    from fiscus.web.app import make_app
    from fiscus.web.settings import Settings

    office = open_office(str(tmp_path / "f.db"))
    with TestClient(make_app(office, Settings("https://fiscus.test")), base_url="https://fiscus.test") as client:
        assert "max-age=31536000" in client.get("/sign-in").headers["strict-transport-security"]
    office.store.close()


def test_a_change_without_our_page_is_not_made(server):
    client = server.client(PLANNER)
    url, data = f"/proposals/{PROPOSAL}/do/comment", {"text": "forged"}
    before = len(server.client(AUDITOR).get("/api/audit/events?limit=1000").json())
    good = {"csrf": client.csrf}
    for form, headers in (
        (data, {}),
        (data | {"csrf": ""}, {}),
        (data | {"csrf": "x" * 43}, {}),
        (data | good, {"origin": "https://evil.example"}),
        (data | good, {"origin": "null"}),
        (data | good, {"origin": server.url + ".evil.example"}),
    ):
        assert client.post(url, data=form, headers=headers).status_code == 403
    raw = httpx.Client(base_url=server.url, cookies=dict(client.cookies))
    assert raw.post(url, data=data | good, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    other = server.client(AUDITOR)
    assert client.post(url, data=data | {"csrf": other.csrf}).status_code == 403
    assert client.get(f"{url}?csrf={client.csrf}&text=forged").status_code == 405
    assert client.post(f"/api/proposals/{PROPOSAL}/comment", json={"text": "x"}).status_code == 403
    assert len(other.get("/api/audit/events?limit=1000").json()) == before
    assert client.post(url, data=data | good).status_code == 303
    assert (
        client.post(
            f"/api/proposals/{PROPOSAL}/comment", json={"text": "x"}, headers={"x-csrf-token": client.csrf}
        ).status_code
        == 200
    )


def test_signing_in_from_elsewhere_is_refused(server):
    client = server.client()
    form = {"person": AUDITOR, "password": PASSWORD}
    assert client.post("/sign-in", data=form, headers={"origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "javascript:alert(1)", "/\tevil", "evil",
     "", "http:evil.example", "/%0d%0aset-cookie:x=y\r\n", "///evil.example", "/ok\\@evil.example"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(shared, target):
    answer = shared.client().post("/sign-in", data={"person": AUDITOR, "password": PASSWORD, "next": target})
    place = answer.headers["location"]
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\"))
    assert "\n" not in place
    assert "x=y" not in answer.headers["set-cookie"]
    assert safe_path(target.strip()) == place


def test_paths_of_our_own_are_kept():
    for path in ("/inbox", "/proposals/p?unit=a&sort=line", "/rounds/r"):
        assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/x/..%2f..%2fapp.py", "/static/%2e%2e/%2e%2e/app.py", "/static/x/style.css%00", "/static//etc/passwd",
     "/proposals/..%2f..%2fetc%2fpasswd", "/rounds/..%2f..%2f/template", "/audit/export/../../etc/passwd", "/begin/..%2fx"],
)  # fmt: skip
def test_files_of_the_machine_stay_there(shared, path):
    answer = shared.client(AUDITOR).get(path)
    assert answer.status_code in (303, 404, 409, 422)
    assert "root:" not in answer.text
    assert "make_app" not in answer.text


def test_names_of_hosts_are_ours(shared):
    for host in ("evil.example", "127.0.0.1", "127.0.0.1:1@evil"):
        assert httpx.get(f"{shared.url}/sign-in", headers={"host": host}).status_code == 421


def test_headers_cannot_be_smuggled_in(shared):
    client = shared.client(BUDGET)
    answer = client.get("/sign-in?next=/inbox%0d%0aset-cookie:%20evil=1")
    assert "evil" not in answer.headers.get("set-cookie", "")
    answer = client.post("/rounds/x%0d%0aevil:1/do/open", data={"csrf": client.csrf})
    assert "evil" not in answer.headers


def test_what_is_too_long_or_no_text_is_refused_in_words(shared):
    client = shared.client(PLANNER)
    long = client.post(f"/proposals/{PROPOSAL}/do/comment", data={"csrf": client.csrf, "text": "x" * 9_000_000})
    assert long.status_code == 413
    files = {"file": ("asks.csv", b"\xff\xfe\x00\x80", "text/csv")}
    bad = client.post("/policy/try", data={"csrf": client.csrf}, files=files)
    assert bad.status_code == 422
    assert "no text in UTF-8" in bad.text


def test_passwords_and_secrets_are_in_no_answer_and_no_log(server):
    client = server.client(CLERK)
    stored = server.office.sign_ins.credential(CLERK)
    for path in ("/account", "/people", "/audit", "/api/people", "/api/audit/events?limit=1000", "/audit/export"):
        text = client.get(path).text
        assert stored not in text
        assert client.cookies["fiscus"] not in text
        assert PASSWORD not in text
