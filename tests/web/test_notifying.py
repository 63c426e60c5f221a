"""A server sends its own notices: in a real process, beside others, through trouble, and never twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from places import free_port

from fiscus.bootstrap import open_office
from fiscus.errors import FiscusError, InvalidInput
from fiscus.integrate.notify import Report, Settings, deliver
from fiscus.integrate.notify.settings import Server
from fiscus.integrate.notify.webhook import new_secret
from fiscus.web.notifying import Sender, settings_for
from fiscus.workflow.ports import Notice
from fiscus.workflow.store.deliveries import LEASE, SENT, WAITING, Deliveries, Webhook

AT = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = Settings(allow_private=True, timeout=5)


class Counting(BaseHTTPRequestHandler):
    """Counts what it gets, by message."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.seen[self.headers["webhook-id"]] += 1
        time.sleep(self.server.slow)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def receiver():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    made.seen, made.slow = Counter(), 0.0
    made.url = f"http://127.0.0.1:{made.server_address[1]}/"
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()


@pytest.fixture
def office(tmp_path):
    made = open_office(str(tmp_path / "fiscus.db"))
    yield made
    made.store.close()


def noted(office, count, url=""):
    with office.store.begin() as unit:
        unit.send([Notice("test.notice", {"number": number}) for number in range(count)])
        unit.commit()
    if url:
        Deliveries(office.store).add_webhook(Webhook("books", url, (new_secret(),)))


def until(true, seconds=15):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def answers(url):
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_several_senders_at_once_send_everything_once(office, receiver):
    noted(office, 120, receiver.url)
    senders = [Sender(office, LOCAL, every=0.01) for _ in range(3)]
    for sender in senders:
        sender.__enter__()
    deliver(office.store, LOCAL, office.clock())  # As ``fiscus notify run`` does, in between.
    until(lambda: len(Deliveries(office.store).all(SENT)) == 120)
    for sender in senders:
        sender.__exit__()
    assert set(receiver.seen.values()) == {1}
    assert len(receiver.seen) == 120
    assert not any(sender.alive for sender in senders)


def test_a_batch_slower_than_its_lease_is_not_sent_twice(office, receiver, monkeypatch):
    """One sender's tries take longer than the lease; another looks all the time, and gets nothing that the first still has."""
    monkeypatch.setattr("fiscus.workflow.store.deliveries.LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr("fiscus.integrate.notify.delivering.STALE", timedelta(seconds=0.0))
    receiver.slow = 0.15
    noted(office, 12, receiver.url)
    with Sender(office, LOCAL, every=0.01), Sender(office, LOCAL, every=0.01):
        until(lambda: len(Deliveries(office.store).all(SENT)) == 12)
    assert set(receiver.seen.values()) == {1}


def test_a_lease_that_somebody_else_took_is_not_renewed(office, receiver):
    noted(office, 1, receiver.url)
    kept = Deliveries(office.store)
    kept.plan(lambda notice: ["hook:books"], AT)
    (mine,) = kept.take(AT)
    again = kept.renewed(mine, AT + timedelta(minutes=1))
    assert again is not None
    assert kept.take(AT + LEASE) == []
    (theirs,) = kept.take(AT + timedelta(minutes=1) + LEASE)
    assert kept.renewed(again, AT + timedelta(minutes=4)) is None
    kept.give_back([again])
    assert kept.take(AT + timedelta(minutes=4)) == []
    kept.give_back([theirs])
    assert len(kept.take(AT + timedelta(minutes=4))) == 1


def test_stopping_gives_back_what_was_not_tried(office, receiver):
    receiver.slow = 0.1
    noted(office, 40, receiver.url)
    with Sender(office, LOCAL, every=0.01) as sender:
        until(lambda: receiver.seen)
    assert not sender.alive
    done = len(receiver.seen)
    assert 0 < done < 40
    receiver.slow = 0
    assert deliver(office.store, LOCAL, office.clock()).sent == 40 - done
    assert set(receiver.seen.values()) == {1}


def test_trouble_is_told_once_and_survived(office):
    noted(office, 1, "http://127.0.0.1:1/")
    said, calls = [], []
    troubles = [
        FiscusError("the disk is full"),
        FiscusError("the disk is full"),
        RuntimeError("odd"),
        None,
        RuntimeError("odd"),
    ]

    def send(office, settings, stop):
        calls.append(1)
        trouble = troubles[len(calls) - 1] if len(calls) <= len(troubles) else None
        if trouble:
            raise trouble
        return Report(sent=1)

    with Sender(office, LOCAL, every=0.01, send=send, say=said.append) as sender:
        until(lambda: len(calls) > 6)
        assert sender.alive
    assert [each.split("again: ")[1] for each in said] == ["the disk is full", "RuntimeError: odd", "RuntimeError: odd"]


def test_what_is_not_received_is_told(office):
    noted(office, 2, "http://127.0.0.1:1/")
    said = []
    with Sender(office, LOCAL, every=0.01, say=said.append):
        until(lambda: said)
        time.sleep(0.1)
    assert said == ["fiscus: Some notices were not received, and are tried again later: fiscus notify list shows why."]
    assert all(each.tries == 1 for each in Deliveries(office.store).all(WAITING))


def test_without_a_way_out_the_outbox_is_left_for_others(office):
    noted(office, 3)
    looked = []
    with Sender(office, Settings(), every=0.01, send=lambda *_: looked.append(2)):
        time.sleep(0.2)
    assert looked == []
    with office.store.read() as reader:
        assert len(reader.notices()) == 3


def test_links_lead_to_the_server_unless_the_environment_names_another(monkeypatch):
    monkeypatch.delenv("FISCUS_BASE_URL", raising=False)
    monkeypatch.setenv("FISCUS_SMTP_URL", "smtp://mail.test")
    assert settings_for("https://fiscus.test") == Settings("https://fiscus.test", Server("smtp", "mail.test", 25))
    monkeypatch.setenv("FISCUS_BASE_URL", "https://elsewhere.test")
    assert settings_for("https://fiscus.test").base_url == "https://elsewhere.test"
    monkeypatch.setenv("FISCUS_SMTP_URL", "nonsense")
    with pytest.raises(InvalidInput, match="FISCUS_SMTP_URL"):
        settings_for("https://fiscus.test")


@pytest.mark.parametrize("quiet", [False, True])
def test_the_server_itself_sends_mail_unless_it_is_told_not_to(tmp_path, quiet):
    from aiosmtpd.controller import Controller

    from fiscus.workflow.actor import Actor
    from fiscus.workflow.identity import commands as who
    from fiscus.workflow.service import administer

    class Inbox:
        def __init__(self):
            self.mails = []

        async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
            self.mails.append(envelope.rcpt_tos)
            return "250 OK"

    path, inbox, smtp, port = tmp_path / "fiscus.db", Inbox(), free_port(), free_port()
    office = open_office(str(path))
    with office.store.begin() as uow:
        administer(who.AddPerson("ann", "Ann", "ann@example.org"), uow, actor=Actor("ann"), at=office.clock())
        uow.send(
            [
                Notice(
                    "proposal.returned",
                    {"owner": "ann", "proposal": "p", "title": "T", "reason": "r", "status": "returned"},
                )
            ]
        )
        uow.commit()
    office.store.close()
    controller = Controller(inbox, hostname="127.0.0.1", port=smtp)
    controller.start()
    environment = os.environ | {"FISCUS_SMTP_URL": f"smtp://127.0.0.1:{smtp}", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "fiscus.cli", "serve", "--port", str(port), "--db", str(path)]
    process = subprocess.Popen(
        command + ["--no-notify"] * quiet, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 30)
        if quiet:
            time.sleep(1)
        else:
            until(lambda: inbox.mails, 30)
    finally:
        process.send_signal(signal.SIGINT)
        _, trouble = process.communicate(timeout=30)
        controller.stop()
    assert inbox.mails == ([] if quiet else [["ann@example.org"]])
    assert b"Traceback" not in trouble
