"""Sign-ins in an SQL store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from fiscus.workflow.identity.sealing import Keys, Unreadable, is_newest, is_sealed, opened, seal
from fiscus.workflow.identity.sessions import Attempt, Identity, Link, Session, Throttle
from fiscus.workflow.store.sql import SqlStore
from fiscus.workflow.store.unit import SqlUnit

_SESSION = ", ".join(each.name for each in fields(Session))
_SAVE = f"INSERT INTO browser_sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ATTEMPT = ", ".join(each.name for each in fields(Attempt))
_BEGIN = f"INSERT INTO attempts ({_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TOUCH = "UPDATE browser_sessions SET seen = ?, proved = ? WHERE token = ?"


class SqlSignIns:
    """Sign-ins beside everything else, outside the log: nobody proves anything by them.

    Args:
        store: Whose database.
        keys: That secrets of second factors are sealed with; a file beside SQLite's, or the environment's, when not given.
    """

    def __init__(self, store: SqlStore, keys: Keys | None = None) -> None:
        self.store = store
        self.keys = keys or Keys(file=_key_file(store))

    def session(self, token: str) -> Session | None:
        row = self._one(f"SELECT {_SESSION} FROM browser_sessions WHERE token = ?", token)
        return None if row is None else Session(*row)

    def save_session(self, session: Session) -> None:
        self._write((_SAVE, astuple(session)))

    def touch_session(self, session: Session) -> None:
        self._write((_TOUCH, (session.seen, session.proved, session.token)))

    def end_session(self, token: str) -> None:
        self._write(("DELETE FROM browser_sessions WHERE token = ?", (token,)))

    def end_sessions(self, person: str, but: str = "") -> None:
        self._write(
            ("DELETE FROM browser_sessions WHERE person = ? AND token <> ?", (person, but)),
            ("DELETE FROM attempts WHERE person = ? AND session <> ?", (person, but or "-")),
        )

    def sessions(self, person: str) -> tuple[Session, ...]:
        statement = f"SELECT {_SESSION} FROM browser_sessions WHERE person = ? ORDER BY begun DESC"
        with self.store.read() as reader:
            return tuple(Session(*row) for row in reader.run(statement, (person,)).fetchall())

    def throttle(self, key: str) -> Throttle:
        row = self._one("SELECT failures, until FROM throttles WHERE key = ?", key)
        return Throttle() if row is None else Throttle(*row)

    def set_throttle(self, key: str, throttle: Throttle | None) -> None:
        if throttle is None:
            if self.throttle(key) != Throttle():
                self._write(("DELETE FROM throttles WHERE key = ?", (key,)))
            return
        statement = (
            "INSERT INTO throttles (key, failures, until) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, until = excluded.until"
        )
        self._write((statement, (key, throttle.failures, throttle.until)))

    def save_link(self, link: Link) -> None:
        self._write(
            ("DELETE FROM links WHERE purpose = ? AND person = ?", (link.purpose, link.person)),
            ("INSERT INTO links (token, purpose, person, until) VALUES (?, ?, ?, ?)", astuple(link)),
        )

    def link(self, token: str) -> Link | None:
        row = self._one("SELECT token, purpose, person, until FROM links WHERE token = ?", token)
        return None if row is None else Link(*row)

    def use_link(self, token: str) -> bool:
        return self._write(("DELETE FROM links WHERE token = ?", (token,))) == 1

    def second_factor(self, person: str) -> tuple[str, int] | None:
        row = self._one("SELECT secret, used FROM second_factors WHERE person = ?", person)
        return None if row is None else (opened(row[0], person, self.keys.known(), self.keys.place), row[1])

    def with_second_factor(self) -> frozenset[str]:
        with self.store.read() as reader:
            return frozenset(row[0] for row in reader.run("SELECT person FROM second_factors").fetchall())

    def has_second_factor(self, person: str) -> bool:
        return self._one("SELECT 1 FROM second_factors WHERE person = ?", person) is not None

    def reseal(self) -> int:
        kept = self._secrets()
        if not kept:
            return 0
        keys, changed = self._keys_to_seal(kept), 0
        for person, secret in kept.items():
            if is_newest(secret, keys):
                continue
            fresh = seal(opened(secret, person, keys, self.keys.place), person, keys)
            statement = "UPDATE second_factors SET secret = ? WHERE person = ? AND secret = ?"
            changed += self._write((statement, (fresh, person, secret)))
        return changed

    def _secrets(self) -> dict[str, str]:
        with self.store.read() as reader:
            return dict(reader.run("SELECT person, secret FROM second_factors ORDER BY person").fetchall())

    def _keys_to_seal(self, kept: dict[str, str]) -> tuple[str, ...]:
        """Keys; a new one only where nothing was sealed yet, as another would shut out those who were."""
        found = self.keys.known()
        if not found and any(is_sealed(secret) for secret in kept.values()):
            raise Unreadable(
                f"Second factors were sealed with a key that is not in {self.keys.place} any more. Put that key back."
            )
        return found or self.keys.made()

    def use_step(self, person: str, step: int) -> bool:
        statement = "UPDATE second_factors SET used = ? WHERE person = ? AND used < ?"
        return self._write((statement, (step, person, step))) == 1

    def set_second_factor(self, person: str, secret: str | None) -> None:
        gone = ("DELETE FROM second_factors WHERE person = ?", (person,))
        if secret is None:
            self._write(gone)
        else:
            sealed = seal(secret, person, self._keys_to_seal(self._secrets()))
            self._write(gone, ("INSERT INTO second_factors (person, secret, used) VALUES (?, ?, 0)", (person, sealed)))

    def identity(self, issuer: str, subject: str) -> Identity | None:
        with self.store.read() as reader:
            statement = "SELECT issuer, subject, person FROM identities WHERE issuer = ? AND subject = ?"
            row = reader.run(statement, (issuer, subject)).fetchone()
        return None if row is None else Identity(*row)

    def identities(self, person: str = "") -> tuple[Identity, ...]:
        whose = "person = ?" if person else "person <> ?"
        statement = f"SELECT issuer, subject, person FROM identities WHERE {whose} ORDER BY issuer, subject"
        with self.store.read() as reader:
            return tuple(Identity(*row) for row in reader.run(statement, (person,)).fetchall())

    def set_identity(self, identity: Identity) -> bool:
        other = "SELECT 1 FROM identities WHERE issuer = ? AND person = ? AND subject <> ?"
        statement = (
            "INSERT INTO identities (issuer, subject, person) VALUES (?, ?, ?) ON CONFLICT (issuer, subject) "
            "DO UPDATE SET person = excluded.person WHERE identities.person IN ('', excluded.person)"
        )
        with self.store.begin() as unit:  # Nobody else writes meanwhile.
            if unit.run(other, (identity.issuer, identity.person, identity.subject)).fetchone() is not None:
                return False
            changed: int = unit.run(statement, astuple(identity)).rowcount
            unit.commit()
        return changed == 1

    def end_identity(self, issuer: str, subject: str) -> None:
        self._write(("UPDATE identities SET person = '' WHERE issuer = ? AND subject = ?", (issuer, subject)))

    def save_attempt(self, attempt: Attempt) -> None:
        self._write(("DELETE FROM attempts WHERE until <= ?", (attempt.begun,)), (_BEGIN, astuple(attempt)))

    def attempt(self, token: str) -> Attempt | None:
        row = self._one(f"SELECT {_ATTEMPT} FROM attempts WHERE token = ?", token)
        return None if row is None else Attempt(*row)

    def use_attempt(self, token: str) -> bool:
        return self._write(("DELETE FROM attempts WHERE token = ?", (token,))) == 1

    def credential(self, person: str) -> str | None:
        return self.store.credential(person)

    def set_credential(self, person: str, hash_: str) -> None:
        self.store.set_credential(person, hash_)

    def _one(self, statement: str, value: str) -> Any:
        with self.store.read() as reader:
            return reader.run(statement, (value,)).fetchone()

    def _write(self, *statements: tuple[str, Sequence[Any]]) -> int:
        """Rows that the last of them changed."""

        def work(unit: SqlUnit) -> int:
            changed = 0
            for statement, values in statements:
                changed = unit.run(statement, values).rowcount
            return changed

        return self.store.together(work)


def _key_file(store: SqlStore) -> Path | None:
    """Beside an SQLite file; None for a database that is no file of this machine."""
    name = store.engine.url.database or ""
    if store.dialect != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(f"{name}.key")
