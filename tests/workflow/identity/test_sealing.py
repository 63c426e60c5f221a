"""Secrets of second factors: sealed for one person, by keys that change, never in the clear, never given up by a missing key."""

from __future__ import annotations

import os
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiscus.errors import Refused
from fiscus.workflow.identity.sealing import SECRET_KEY, Keys, Unreadable, is_newest, is_sealed, opened, seal
from fiscus.workflow.identity.second_factor import check_code, new_secret
from fiscus.workflow.store.signins import SqlSignIns
from fiscus.workflow.store.sql import SqlStore

OLD, NEW = "an old key of more than thirty-two signs", "a new key of more than thirty-two signs"


@pytest.fixture
def store(tmp_path):
    made = SqlStore.open(f"sqlite:///{tmp_path / 'fiscus.db'}")
    yield made
    made.close()


def kept(store):
    with store.read() as reader:
        return dict(reader.run("SELECT person, secret FROM second_factors").fetchall())


def in_the_clear(store, person, secret):
    """As an earlier version wrote it."""
    with store.begin() as unit:
        unit.run("INSERT INTO second_factors (person, secret, used) VALUES (?, ?, 0)", (person, secret))
        unit.commit()


@given(st.text(max_size=60), st.text(max_size=30).filter(lambda name: "\0" not in name))
def test_what_is_sealed_is_opened_for_its_person_alone(secret, person):
    sealed = seal(secret, person, (NEW, OLD))
    assert is_sealed(sealed)
    assert opened(sealed, person, (OLD, NEW), "there") == secret
    with pytest.raises(Unreadable, match="was sealed for"):
        opened(sealed, person + "x", (NEW,), "there")
    with pytest.raises(Unreadable, match="not in there"):
        opened(sealed, person, (OLD,), "there")
    with pytest.raises(Unreadable, match="not in there"):
        opened(sealed, person, (), "there")
    with pytest.raises(Unreadable):
        opened(sealed[:-3] + "abc", person, (NEW,), "there")


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path):
    file, found = tmp_path / "fiscus.db.key", []
    assert Keys({}, file).known() == ()
    assert not file.exists()
    threads = [threading.Thread(target=lambda: found.append(Keys({}, file).made())) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) == 1
    assert len(found[0][0]) >= 43
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fiscus.db.key"]
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o640)
        with pytest.raises(Unreadable, match="chmod 600"):
            Keys({}, file).known()


def test_the_environment_comes_before_the_file(tmp_path):
    file = tmp_path / "k"
    file.write_text(OLD.replace(" ", "-"))
    file.chmod(0o600)
    assert Keys({SECRET_KEY: f"{NEW}, {OLD}"}, file).known() == (NEW, OLD)
    assert Keys({}, file).known() == (OLD.replace(" ", "-"),)
    for bad in ("short", f"{NEW},short", ","):
        with pytest.raises(Unreadable, match="32 signs"):
            Keys({SECRET_KEY: bad}, file).known()


def test_secrets_do_not_lie_in_the_database(store, tmp_path):
    secret, there = new_secret(), SqlSignIns(store, Keys({}, tmp_path / "k"))
    there.set_second_factor("ann", secret)
    assert is_sealed(kept(store)["ann"])
    assert secret not in kept(store)["ann"]
    assert there.second_factor("ann") == (secret, 0)
    assert there.has_second_factor("ann")
    assert not there.has_second_factor("ben")
    with store.begin() as unit:  # Somebody with the database gives ann's row to ben.
        unit.run("INSERT INTO second_factors (person, secret, used) VALUES (?, ?, 0)", ("ben", kept(store)["ann"]))
        unit.commit()
    with pytest.raises(Unreadable, match="sealed for ann"):
        there.second_factor("ben")


def test_without_a_place_for_a_key_none_is_enabled(store):
    there = SqlSignIns(store, Keys({}, None))
    with pytest.raises(Unreadable, match=SECRET_KEY):
        there.set_second_factor("ann", new_secret())
    assert not there.has_second_factor("ann")
    SqlSignIns(store, Keys({SECRET_KEY: NEW}, None)).set_second_factor("ann", new_secret())
    with pytest.raises(Unreadable, match="Put that key back"):
        there.second_factor("ann")


def test_rows_in_the_clear_are_sealed_and_keys_replaced(store):
    first, second = new_secret(), new_secret()
    in_the_clear(store, "ann", first)
    assert SqlSignIns(store, Keys({}, None)).second_factor("ann") == (first, 0)
    old = SqlSignIns(store, Keys({SECRET_KEY: OLD}, None))
    assert old.reseal() == 1
    old.set_second_factor("ben", second)
    assert all(is_sealed(secret) for secret in kept(store).values())
    both = SqlSignIns(store, Keys({SECRET_KEY: f"{NEW},{OLD}"}, None))
    assert both.second_factor("ann") == (first, 0)
    assert both.reseal() == 2
    assert both.reseal() == 0
    new = SqlSignIns(store, Keys({SECRET_KEY: NEW}, None))
    assert (new.second_factor("ann"), new.second_factor("ben")) == ((first, 0), (second, 0))
    assert all(is_newest(secret, (NEW,)) for secret in kept(store).values())
    with pytest.raises(Unreadable):
        old.second_factor("ann")


def test_a_lost_key_is_not_replaced_by_another(store, tmp_path):
    file = tmp_path / "k"
    there = SqlSignIns(store, Keys({}, file))
    there.set_second_factor("ann", new_secret())
    file.unlink()
    for attempt in (there.reseal, lambda: there.set_second_factor("ben", new_secret())):
        with pytest.raises(Unreadable, match="Put that key back"):
            attempt()
    assert not file.exists()


def test_nobody_gets_past_what_cannot_be_read(store, tmp_path):
    from datetime import UTC, datetime

    SqlSignIns(store, Keys({SECRET_KEY: OLD}, None)).set_second_factor("ann", new_secret())
    there = SqlSignIns(store, Keys({SECRET_KEY: NEW}, None))
    for code in ("", "000000"):
        with pytest.raises(Refused) as refusal:
            check_code(there, "ann", code, "", datetime.now(UTC))
        assert refusal.value.rule == "identity.unreadable"


def test_the_key_file_lies_beside_sqlite_files_alone(store, tmp_path):
    import sqlalchemy as sa

    from fiscus.workflow.store.signins import _key_file

    assert SqlSignIns(store).keys.file == tmp_path / "fiscus.db.key"

    class Elsewhere:
        dialect = "postgresql"
        engine = sa.create_engine("postgresql+psycopg://somebody@nowhere/fiscus")

    assert _key_file(Elsewhere()) is None
