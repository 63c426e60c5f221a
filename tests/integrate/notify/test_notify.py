"""Notices to real servers: e-mail, signed webhooks, failures, kills, and who is told what."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Checker
from typer.testing import CliRunner

from fiscus.cli import app
from fiscus.errors import InvalidInput
from fiscus.integrate.notify import Settings, deliver
from fiscus.integrate.notify.delivering import SECONDS
from fiscus.integrate.notify.mail import message_of, plain
from fiscus.integrate.notify.settings import Server
from fiscus.integrate.notify.webhook import addresses, checked_url, new_secret, signature
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity.people import Person
from fiscus.workflow.ports import Notice
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
from fiscus.workflow.store.deliveries import DEAD, LEASE, SENT, WAITING, Deliveries, Delivery, Webhook
from fiscus.workflow.store.sql import SqlStore

CLI = CliRunner()
AT = datetime(2026, 1, 1, tzinfo=UTC)
MATRIX = """
name: m
currency: USD
about: Two.
rolling_days: 0
roles: {head: {title: Head}, board: {title: Board}, payer: {title: Payer}, checker: {title: Checker}, mayor: {title: Mayor}}
rules: [{id: all, path: [{stage: head, role: head, days: 3}, {stage: board, role: board}], release: payer, reconcile: checker}]
duties: {emergency: mayor}
"""
PEOPLE = {"ann": "", "hal": "head", "hua": "head", "bea": "board", "pam": "payer", "cal": "checker", "max": "mayor",
          "may": "mayor", "aud": "auditor", "bud": "budget", "dee": ""}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """People with addresses, but for hua."""
    return city(SqlStore.open(f"sqlite:///{tmp_path / 'fiscus.db'}"))


def city(store):
    with store.begin() as uow:
        root = Actor("root")
        administer(who.AddPerson("root", "Root"), uow, actor=root, at=AT)
        administer(who.AddUnit("city"), uow, actor=root, at=AT)
        adopt_policy(matrix_from_text(MATRIX, "m"), uow, actor=root, at=AT)
        for name, role in PEOPLE.items():
            email = "" if name == "hua" else f"{name}@example.org"
            administer(who.AddPerson(name, name.title(), email), uow, actor=root, at=AT)
            if role:
                administer(who.GrantRole(name, role), uow, actor=root, at=AT)
        administer(who.Delegate("dee", AT, AT + timedelta(days=30)), uow, actor=Actor("hal"), at=AT)
        set_budget(SetBudget("city", "y1", "general", 10**9, "USD"), uow, actor=Actor("bud"), at=AT)
        uow.sent([number for number, _ in uow.notices()])
        uow.commit()
    return store


def give(store, command, person):
    with store.begin() as uow:
        follow(command, uow, actor=Actor(person), at=AT)
        uow.commit()


def submitted(store, name="p", title="New roads"):
    content = Content(title, "USD", (Item("y1", "roads", "city", "general", 123_456),))
    give(store, do.Draft(name, content), "ann")
    give(store, do.Submit(name), "ann")
    with store.read() as reader:
        return reading.known_proposal(reader, name).hash


class Inbox:
    """Takes every e-mail, but for those that it was told to refuse."""

    def __init__(self):
        self.mails, self.refuse = [], 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            self.refuse -= 1
            return "451 try again later"
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@pytest.fixture
def post():
    """A real SMTP server."""
    inbox = Inbox()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        inbox.port = found.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port)
    controller.start()
    yield inbox
    controller.stop()


def by_mail(post, **more):
    return Settings("https://fiscus.test", Server("smtp", "127.0.0.1", post.port), "fiscus@fiscus.test", **more)


def told(post):
    mails, post.mails = post.mails, []
    return {address: text for addresses_, text in mails for address in addresses_}


def test_those_who_have_to_act_are_told_and_nobody_else(store, post):
    hash_ = submitted(store)
    report = deliver(store, by_mail(post), AT)
    found = told(post)
    assert set(found) == {"hal@example.org", "dee@example.org"}  # hua has no address; dee acts for hal.
    assert report.sent == 2
    text = found["hal@example.org"]
    for words in ("Subject: New roads: waits for your decision", "USD 1,234.56", "Due: 2026-01-04 00:00 UTC",
                  "https://fiscus.test/proposals/p", "Proposed by: ann", "To: Hal <hal@example.org>"):  # fmt: skip
        assert words in text
    assert deliver(store, by_mail(post), AT).sent == 0
    give(store, do.Approve("p", hash_), "hua")
    deliver(store, by_mail(post), AT)
    assert set(told(post)) == {"bea@example.org"}
    give(store, do.Approve("p", hash_), "bea")
    deliver(store, by_mail(post), AT)
    assert set(told(post)) == {"ann@example.org", "pam@example.org"}
    give(store, do.Release("p"), "pam")
    deliver(store, by_mail(post), AT)
    assert set(told(post)) == {"ann@example.org"}


def test_what_is_loud_is_told_to_auditors_and_administrators(store, post):
    hash_ = submitted(store)
    deliver(store, by_mail(post), AT)
    told(post)
    give(store, do.BreakGlass("p", hash_, "flood"), "max")
    deliver(store, by_mail(post), AT)
    found = told(post)
    assert set(found) == {"aud@example.org"}
    assert "BROKEN GLASS" in found["aud@example.org"]


def test_a_returned_one_is_told_to_its_author(store, post):
    submitted(store)
    deliver(store, by_mail(post), AT)
    told(post)
    give(store, do.Return("p", "less"), "hal")
    deliver(store, by_mail(post), AT)
    assert set(told(post)) == {"ann@example.org"}


def test_a_server_that_refuses_is_asked_again_later(store, post):
    submitted(store)
    post.refuse = 3
    report = deliver(store, by_mail(post), AT)
    assert (report.sent, report.failed) == (0, 2)
    assert deliver(store, by_mail(post), AT + timedelta(seconds=4)).failed == 0
    report = deliver(store, by_mail(post), AT + timedelta(seconds=6))
    assert (report.sent, report.failed) == (1, 1)
    assert deliver(store, by_mail(post), AT + timedelta(seconds=300)).sent == 0
    assert deliver(store, by_mail(post), AT + timedelta(seconds=340)).sent == 1
    ids = [line for _, text in post.mails for line in text.splitlines() if line.startswith("Message-ID")]
    assert len(set(ids)) == len(ids) == 2


def test_without_a_server_nothing_is_planned_for_people(store):
    submitted(store)
    assert deliver(store, Settings(), AT).planned == 0


@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=40))
def test_no_title_becomes_a_header(title, name, address):
    body = {
        "proposal": "p",
        "title": title + "\r\nBcc: eve@example.org\n\nbody",
        "owner": name,
        "currency": "USD",
        "amount": 1,
    }
    delivery = Delivery(1, "mail:x", "msg_1", 0, "proposal.submitted", body)
    assert "\n" not in plain(title)
    try:
        mail = message_of(delivery, Person("x", name + "\r\nBcc: eve@example.org", "hal@example.org"), Settings())
    except ValueError:
        return
    assert mail["Bcc"] is None
    assert set(mail.keys()) == {
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }
    assert mail.as_bytes()


def test_the_words_of_a_title_are_no_markup():
    body = {"proposal": "p", "title": "<img src=x onerror=alert(1)>", "owner": "ann", "currency": "USD", "amount": 1}
    mail = message_of(
        Delivery(1, "mail:x", "m", 0, "proposal.submitted", body), Person("x", "X", "x@example.org"), Settings()
    )
    markup = mail.get_body(("html",)).get_content()
    assert "<img" not in markup
    assert "&lt;img" in markup


class Hooked(BaseHTTPRequestHandler):
    """Checks signatures, fails at random, and takes each message once."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        place = self.server
        place.calls += 1
        data = place.checker.verify(body, dict(self.headers))
        chance = place.source.random()
        if chance < place.trouble * 0.4:
            self.send_response(500)
        elif chance < place.trouble * 0.6:
            self.send_response(302)
            self.send_header("location", "http://127.0.0.1:1/")
        else:
            with place.guard:
                fresh = self.headers["webhook-id"] not in place.seen
                place.seen.add(self.headers["webhook-id"])
                if fresh:
                    place.taken.append(data)
                else:
                    place.again += 1
            if chance > 1 - place.trouble * 0.2:
                return self.wfile.close()  # Received, and the sender never hears of it.
            self.send_response(204)
        self.end_headers()
        return None

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def receiver():
    """A real server that programs run."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hooked)
    server.secret = new_secret()
    server.checker = Checker(server.secret)
    server.checker.verify = _within_years(server.secret)
    server.calls, server.trouble, server.again = 0, 0.0, 0
    server.seen, server.taken, server.guard, server.source = set(), [], threading.Lock(), random.Random(7)
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()


def _within_years(secret):
    """The library's check, at the time of the message: tests let years pass."""
    checker = Checker(secret)

    def verify(body, headers):
        lower = {key.lower(): value for key, value in headers.items()}
        moment = datetime.fromtimestamp(int(lower["webhook-timestamp"]), UTC)
        expected = checker.sign(lower["webhook-id"], moment, body.decode())
        assert expected in lower["webhook-signature"].split(" ")
        return json.loads(body)

    return verify


def subscribed(store, receiver, *topics, **more):
    Deliveries(store).add_webhook(Webhook("books", receiver.url, (receiver.secret,), topics, **more))


LOCAL = Settings(allow_private=True, timeout=5)


def test_a_webhook_is_signed_as_the_standard_says(store, receiver):
    subscribed(store, receiver)
    submitted(store)
    assert deliver(store, LOCAL, AT).sent == 2
    drafted, sent = receiver.taken
    assert (drafted["type"], sent["type"]) == ("proposal.drafted", "proposal.submitted")
    assert sent["data"]["amount"] == 123_456
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # The example of the specification.
    payload = b'{"test": 2432232314}'
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, payload) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_only_topics_that_are_wanted(store, receiver):
    subscribed(store, receiver, "proposal.submitted")
    submitted(store)
    deliver(store, LOCAL, AT)
    assert [each["type"] for each in receiver.taken] == ["proposal.submitted"]


def test_a_secret_is_replaced_without_a_gap(store, receiver):
    old, receiver.secret = receiver.secret, new_secret()
    Deliveries(store).add_webhook(Webhook("books", receiver.url, (receiver.secret, old)))
    submitted(store)
    assert deliver(store, LOCAL, AT).sent == 2  # The receiver still checks with the old one.


def test_what_nobody_takes_is_given_up_and_can_be_tried_again(store, receiver):
    subscribed(store, receiver, "proposal.submitted")
    receiver.trouble = 1.7  # Always 500 or a redirect.
    submitted(store)
    at, tries = AT, 0
    while not deliver(store, LOCAL, at).dead:
        at += timedelta(days=2)
        tries += 1
        assert tries < 20
    assert tries == len(SECONDS)
    (dead,) = Deliveries(store).all(DEAD)
    assert "answered" in dead.error
    receiver.trouble = 0
    assert deliver(store, LOCAL, at).sent == 0
    assert Deliveries(store).retry(at) == 1
    assert deliver(store, LOCAL, at).sent == 1


def test_two_senders_do_not_send_the_same(store, receiver):
    subscribed(store, receiver)
    for number in range(30):
        submitted(store, f"p{number}")
    threads = [threading.Thread(target=deliver, args=(store, LOCAL, AT)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receiver.calls == len(receiver.taken) == 60
    assert receiver.again == 0


def test_a_lease_that_is_over_frees_a_delivery(store, receiver):
    subscribed(store, receiver, "proposal.submitted")
    submitted(store)
    kept = Deliveries(store)
    kept.plan(lambda notice: ["hook:books"] if notice.topic == "proposal.submitted" else [], AT)
    assert len(kept.take(AT)) == 1
    assert kept.take(AT + LEASE - timedelta(seconds=1)) == []
    assert len(kept.take(AT + LEASE)) == 1


def test_webhooks_stay_out_of_private_networks(store, receiver):
    subscribed(store, receiver, "proposal.submitted")
    submitted(store)
    assert deliver(store, Settings(), AT).failed == 1
    assert "private network" in Deliveries(store).all(WAITING)[0].error
    assert receiver.calls == 0
    for host in (
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "0.0.0.0",
        "::ffff:127.0.0.1",
    ):
        with pytest.raises(OSError, match="private network"):
            addresses(host, 80, allow_private=False)
    assert addresses("127.0.0.1", 80, allow_private=True) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "file:///etc/passwd", "http://", "nothing", "http://user:word@host/", "http://a b/", "//h"]
)
def test_other_addresses_are_refused(url):
    with pytest.raises(InvalidInput):
        checked_url(url)


KILLS = 6


def killed_after(process, receiver, calls):
    """Whether a sender was killed that had made so many calls: in the midst of the next ones."""
    wanted = receiver.calls + calls
    while receiver.calls < wanted and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    return process.wait() < 0


def test_a_thousand_notices_through_failures_and_kills_are_each_seen_once(tmp_path, receiver):
    path = tmp_path / "fiscus.db"
    store = SqlStore.open(f"sqlite:///{path}")
    subscribed(store, receiver)
    with store.begin() as unit:
        unit.send([Notice("test.notice", {"number": number}) for number in range(1_000)])
        unit.commit()
    receiver.trouble, source = 0.35, random.Random(3)
    worker, day = Path(__file__).with_name("notify_worker.py"), 0
    for attempt in range(60):
        process = subprocess.Popen(
            [sys.executable, str(worker), str(path), str(day), str(attempt)], stdout=subprocess.PIPE, text=True
        )
        if attempt < KILLS:
            assert killed_after(process, receiver, source.randint(1, 50))
            day += 40
            continue
        process.communicate(timeout=120)
        assert process.returncode == 0
        day += 400
        if Counter(each.state for each in Deliveries(store).all()) == {SENT: 1_000}:
            break
        Deliveries(store).retry(datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=day))
    assert sorted(each["data"]["number"] for each in receiver.taken) == list(range(1_000))
    assert receiver.calls > 1_300
    store.close()


def test_settings_come_from_the_environment():
    found = Settings.from_environment(
        {"FISCUS_SMTP_URL": "smtps://me:p%40ss@mail.example.org", "FISCUS_BASE_URL": "https://f"}
    )
    assert found.mail == Server("smtps", "mail.example.org", 465, "me", "p@ss")
    assert "p@ss" not in repr(found)
    assert Settings.from_environment({}).mail is None
    for wrong in ("http://a", "smtp://", "mail.example.org", "smtp://a:99999"):
        with pytest.raises(InvalidInput):
            Settings.from_environment({"FISCUS_SMTP_URL": wrong})


def test_from_the_command_line(tmp_path, monkeypatch, store, receiver, post):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FISCUS_SMTP_URL", f"smtp://127.0.0.1:{post.port}")

    def typed(*words, code=0):
        result = CLI.invoke(app, ["notify", *words])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    receiver.secret = typed("webhook", "add", "books", receiver.url, "--topic", "proposal.submitted")
    receiver.checker.verify = _within_years(receiver.secret)
    assert "already" in typed("webhook", "add", "books", receiver.url, code=2)
    assert "a webhook has an address" in typed("webhook", "add", "x", "nothing", code=2)
    assert "books" in typed("webhook", "list")
    submitted(store)
    assert "0 given up" in typed("send", "--allow-private")
    assert "sent" in typed("list")
    assert json.loads(CLI.invoke(app, ["notify", "list", "--state", "sent", "--json"]).output)
    assert typed("list", "--state", "lost", code=2)
    assert typed("retry") == "0 will be tried again."
    assert len(typed("webhook", "add", "books", receiver.url, "--rotate")) > 40
    typed("webhook", "remove", "books")
    assert "no webhook" in typed("webhook", "remove", "books", code=2)
    assert {address for addresses_, _ in post.mails for address in addresses_} == {
        "hal@example.org"
    }  # dee's time is over.
    assert len(receiver.taken) == 1
