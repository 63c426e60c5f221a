"""People, passwords, keys and delegations, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import fiscus.workflow
from fiscus.bootstrap import open_office
from fiscus.integrate.shipped import shipped_plan
from fiscus.workflow.service.roles import OWN

PASSWORD = "four words and a horse"
SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
LONG_AGO = "2001-01-31"


def test_only_the_first_adds_themself(typed):
    typed("people", "add", "root", "--as", "root", "--name", "The Root", "--email", "root@example.org")
    assert "error" in typed("people", "add", "eve", "--as", "eve", code=2)
    assert "error" in typed("people", "add", "root", "--as", "root", code=2)


def test_who_holds_which_role_is_told_for_any_day(run, told):
    roles = {each["person"]: each["roles"] for each in told("people", "list")}
    assert roles["hal"] == ["head"]
    assert roles["root"] == ["administrator"]
    before = told("people", "list", "--as-of", LONG_AGO)
    assert before == []  # Nobody was there yet.
    assert "hal" in run("people", "list")
    assert "error" in run("people", "list", "--as-of", "yesterday", code=2)
    run("people", "revoke", "hal", "head", "--as", "root")
    assert next(each for each in told("people", "list") if each["person"] == "hal")["roles"] == []


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock of the commands that follow."""

    def put(*moment):
        def at():
            return datetime(*moment, tzinfo=UTC)

        monkeypatch.setattr("fiscus.bootstrap.now", at)
        monkeypatch.setattr("fiscus.cli.office.office", lambda db, begin=False: open_office(db, at, begin=begin))

    return put


def test_a_day_is_all_of_it_and_those_who_came_later_are_not_in_it(typed, told, clock):
    clock(2026, 3, 1, 9)
    typed("people", "add", "root", "--as", "root")
    typed("people", "add", "ann", "--as", "root")
    typed("people", "add", "old", "--as", "root")
    clock(2026, 3, 2, 10)
    typed("people", "grant", "ann", "head", "--as", "root")
    typed("delegate", "old", "--as", "ann", "--until", "2026-03-03")
    clock(2026, 3, 2, 11)
    typed("people", "revoke", "ann", "head", "--as", "root")
    typed("people", "grant", "ann", "payer", "--until", "2026-03-04", "--as", "root")
    clock(2026, 3, 5, 0)
    typed("people", "add", "new", "--as", "root")
    typed("people", "deactivate", "old", "--as", "root")

    def on(day):
        return {
            each["person"]: (each["active"], each["roles"], each["acts for"])
            for each in told("people", "list", "--as-of", day)
        }

    root = (True, ["administrator"], [])
    assert on("2026-02-28") == {}
    assert on("2026-03-01") == {"root": root, "ann": (True, [], []), "old": (True, [], [])}
    assert on("2026-03-02")["ann"] == (True, ["head", "payer"], [])
    assert on("2026-03-03")["ann"] == on("2026-03-04")["ann"] == (True, ["payer"], [])
    assert on("2026-03-02")["old"] == on("2026-03-03")["old"] == (True, [], ["ann"])
    assert on("2026-03-04")["old"] == (True, [], [])
    assert on("2026-03-05") == {"root": root, "ann": (True, [], []), "old": (False, [], []), "new": (True, [], [])}


def test_a_role_is_neither_given_to_oneself_nor_by_others(run):
    assert "Nobody gives a role to themself" in run("people", "grant", "root", "head", "--as", "root", code=2)
    assert "administrator" in run("people", "grant", "ann", "head", "--as", "ann", code=2)
    assert "error" in run("people", "grant", "nobody", "head", "--as", "root", code=2)


def test_a_second_root_is_told_of_the_first(run):
    assert "There is one root, 'city': say which unit town is below." in run(
        "people", "unit", "town", "--as", "root", code=2
    )
    assert "There is no unit 'twon' to be above it" in run(
        "people", "unit", "hall", "--parent", "twon", "--as", "root", code=2
    )


def test_a_role_that_nothing_asks_for_is_told_of(run):
    told = run("people", "grant", "ann", "Haed", "--as", "root")
    assert "No authority matrix asks for Haed, so it lets ann do nothing. Did you mean head?" in told
    told = run("people", "grant", "ann", "xyzzy", "--as", "root")
    assert "asks for xyzzy" in told
    assert "mean" not in told
    for role in ("head", "auditor", "budget"):
        assert "asks for" not in run("people", "grant", "pam", role, "--as", "root")


def test_roles_of_its_own_are_told_before_anybody_is_refused(run):
    readme = (Path(fiscus.workflow.__file__).parent / "README.md").read_text(encoding="utf-8")
    asked = " ".join(run("people", "grant", "--help").replace("│", " ").split())
    for role, what in OWN.items():
        assert f"{role} ({what})" in asked
        assert f"| `{role}` | {what}" in readme


def test_before_there_is_a_matrix_any_role_will_do(typed):
    typed("people", "add", "root", "--as", "root")
    typed("people", "add", "ann", "--as", "root")
    assert "asks for" not in typed("people", "grant", "ann", "head", "--as", "root")


def test_whoever_was_deactivated_acts_no_more(run):
    run("people", "deactivate", "ann", "--as", "root")
    assert "error" in run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring", code=2)


def test_a_password_once_set_is_asked_for(run, monkeypatch, tmp_path):
    run("people", "password", "--as", "ann", answers=f"{PASSWORD}\n{PASSWORD}\n")
    events = len(list(open_office(str(tmp_path / "fiscus.db")).store.read().__enter__().events()))
    draft = ("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    assert "not the password of ann" in run(*draft, code=2, answers="another one\n")
    monkeypatch.setenv("FISCUS_PASSWORD", "wrong")
    assert "not the password of ann" in run(*draft, code=2)
    assert len(list(open_office(str(tmp_path / "fiscus.db")).store.read().__enter__().events())) == events
    monkeypatch.setenv("FISCUS_PASSWORD", PASSWORD)
    run(*draft)
    monkeypatch.delenv("FISCUS_PASSWORD")
    run("submit", "p", "--as", "ann", answers=f"{PASSWORD}\n")


def test_a_weak_password_is_refused(run):
    assert "12 characters" in run("people", "password", "--as", "ann", answers="short\nshort\n", code=2)
    assert "easy to guess" in run("people", "password", "--as", "ann", answers="password1234\npassword1234\n", code=2)


def test_a_delegate_signs_for_the_one_who_delegated_and_counts_as_both(run, shown):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    seen = shown("p")["hash"]
    assert "error" in run("approve", "p", "--as", "cal", "--for", "hal", "--hash", seen, code=2)
    run("delegate", "cal", "--as", "hal", "--until", SOON)
    sign = ("approve", "p", "--as", "cal", "--for", "hal", "--hash", seen)
    assert "nobody may (cal was approver" in run(*sign, code=2)  # cal alone can reconcile, and could not any more.
    run("people", "grant", "bud", "checker", "--as", "root")
    run(*sign)
    assert shown("p")["approvals"][0]["person"] == "cal"
    assert shown("p")["approvals"][0]["behalf"] == "hal"
    run("release", "p", "--as", "pam")
    statement = ("reconcile", "p", "--reference", "bank", "--total", "FY1=0")
    assert "error" in run(*statement, "--as", "cal", code=2)  # cal signed, and so cannot check as well.
    run(*statement, "--as", "bud")


def test_a_delegate_of_an_author_is_refused_as_approver(run, shown):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    run("delegate", "ann", "--as", "hal", "--until", SOON)
    assert "error" in run("approve", "p", "--as", "ann", "--for", "hal", "--hash", shown("p")["hash"], code=2)


def test_a_key_signs_and_another_key_does_not(run, shown, tmp_path):
    run("people", "key", "hal.pem", "--as", "hal")
    run("people", "key", "ann.pem", "--as", "ann")
    assert (tmp_path / "hal.pem").stat().st_mode & 0o077 == 0
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    seen = shown("p")["hash"]
    assert "error" in run("approve", "p", "--as", "hal", "--hash", seen, "--key", "ann.pem", code=2)
    assert "error" in run("approve", "p", "--as", "hal", "--hash", seen, "--key", "items.csv", code=2)
    run("approve", "p", "--as", "hal", "--hash", seen, "--key", "hal.pem")
    assert shown("p")["status"] == "approved"


def test_the_units_of_a_plan_are_added_at_once(typed, told):
    typed("people", "add", "root", "--as", "root")
    typed("people", "units", shipped_plan("baltimore-go-fy2024"), "--as", "root")
    assert "0 units were added" in typed("people", "units", shipped_plan("baltimore-go-fy2024"), "--as", "root")
    assert "error" in typed("people", "units", "nowhere", "--as", "root", code=2)


def test_a_service_account_needs_somebody_who_answers_for_it(run):
    run("people", "add", "robot", "--as", "root", "--accountable", "ann")
    assert "error" in run("people", "add", "robot2", "--as", "root", "--accountable", "robot", code=2)


@pytest.mark.parametrize("day", ["31-01-2030", "2030-02-31", "soon", LONG_AGO])
def test_a_day_that_is_none_is_refused(run, day):
    assert "error" in run("delegate", "cal", "--as", "hal", "--until", day, code=2)


def test_an_address_that_is_none_is_refused(run, told):
    for wrong in ("notanemail", "a@b@c", "@example.org", "dan@", "dan @example.org"):
        assert "is no e-mail address" in run("people", "add", "dan", "--email", wrong, "--as", "root", code=2)
    run("people", "add", "dan", "--email", "dan@example.org", "--as", "root")
