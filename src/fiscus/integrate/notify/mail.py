"""E-mail: what is asked, how much, until when, and where."""

from __future__ import annotations

import html
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Any
from urllib.parse import quote

from fiscus.core.money import currency, format_amount
from fiscus.integrate.notify.settings import Settings
from fiscus.workflow.canonical import minute
from fiscus.workflow.identity.people import Person
from fiscus.workflow.store.deliveries import Delivery

SAID = {
    "submitted": "waits for your decision",
    "stepopened": "waits for your decision",
    "escalated": "is overdue, and waits for your decision too",
    "resumed": "goes on, and waits for your decision",
    "returned": "was returned to you",
    "rejected": "was rejected",
    "adopted": "was approved",
    "released": "was released",
    "expired": "has expired",
    "held": "is on hold",
    "closed": "is closed",
    "glasstouched": "BROKEN GLASS: somebody began to pass over approvals",
    "glassbroken": "BROKEN GLASS: approvals were passed over",
    "opened": "is open for what you ask for",
    "reopened": "is open again for what you ask for",
    "extended": "gives you more time to ask",
}


def plain(text: str) -> str:
    """One line without signs that are none: nothing that is written in a title becomes a header."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:200]


def message_of(delivery: Delivery, person: Person, settings: Settings) -> EmailMessage:
    """The e-mail of a delivery; its Message-ID is the same over all tries."""
    body: dict[str, Any] = delivery.body
    kind, _, what = delivery.topic.partition(".")
    name = str(body.get(kind, ""))
    title = plain(str(body.get("title", "")) or name)
    link = f"{settings.base_url.rstrip('/')}/{kind}s/{quote(name, safe='')}"
    lines = [f"{title} {SAID.get(what, what)}."]
    if body.get("currency"):
        lines.append(
            f"Amount: {body['currency']} {format_amount(int(body['amount']), currency(str(body['currency'])))}."
        )
    if body.get("due"):
        lines.append(f"Due: {minute(str(body['due']))}.")
    if body.get("owner"):
        lines.append(f"Proposed by: {plain(str(body['owner']))}.")
    mail = EmailMessage()
    mail["Subject"] = f"{title}: {SAID.get(what, what)}"
    mail["From"] = settings.sender
    mail["To"] = formataddr((plain(person.name), plain(person.email)))
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{delivery.message}@fiscus>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join([*lines, "", link, ""]))
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    mail.add_alternative(f'{paragraphs}<p><a href="{html.escape(link)}">Look at it</a></p>', subtype="html")
    return mail


def send(mail: EmailMessage, settings: Settings) -> None:
    """Hand an e-mail in.

    Raises:
        OSError: Where the server is not there, or refuses; ``smtplib``'s errors are of that kind.
    """
    server = settings.mail
    if server is None:
        raise OSError("no server for e-mail is set")
    context = ssl.create_default_context()
    if server.kind == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=settings.timeout, context=context)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=settings.timeout)
    with client:
        if server.kind == "starttls":
            client.starttls(context=context)
        if server.user:
            client.login(server.user, server.password)
        client.send_message(mail)
