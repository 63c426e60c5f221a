"""Authority matrices, from the command line."""

from __future__ import annotations

from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs" / "authority"


def test_every_shipped_matrix_is_checked_and_shown(typed):
    for path in sorted(CONFIGS.glob("*.yaml")):
        assert "exactly one rule takes every proposal" in typed("policy", "check", path)


def test_every_fault_of_a_matrix_is_told(typed, tmp_path):
    text = (CONFIGS / "company.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text.replace("role: ", "role: x_", 1), encoding="utf-8")
    assert "bad.yaml" in typed("policy", "check", "bad.yaml", code=2)
    (tmp_path / "bad.yaml").write_text("rules: [\n", encoding="utf-8")
    typed("policy", "check", "bad.yaml", code=2)
    typed("policy", "check", "none.yaml", code=2)


def test_a_matrix_is_adopted_by_administrators_alone(run, told):
    assert told("policy", "show")["name"] == "m"
    assert told("policy", "show")["name"] == "m"
    assert "Head" in run("policy", "show")


def test_nothing_is_in_force_before_a_matrix_is_adopted(typed):
    typed("people", "add", "root", "--as", "root")
    assert "No authority matrix is in force" in typed("policy", "show", code=2)


def test_past_decisions_are_tried_on_another_matrix(approved, told, tmp_path):
    text = (tmp_path / "matrix.yaml").read_text()
    assert told("policy", "replay", "matrix.yaml") == [{"proposal": "p", "was": "all", "rule": "all", "enough": True}]
    stricter = text.replace("[{stage: head, role: head}]", "[{stage: head, role: head}, {stage: second, role: payer}]")
    (tmp_path / "strict.yaml").write_text(stricter.replace("{id: all", "{id: two"))
    assert told("policy", "replay", "strict.yaml") == [{"proposal": "p", "was": "all", "rule": "two", "enough": False}]
    assert "two" in approved("policy", "replay", "strict.yaml")
    assert told("policy", "show")["name"] == "m"


def test_a_matrix_in_another_currency_than_the_books_is_not_adopted(approved, told, tmp_path):
    text = (
        (tmp_path / "matrix.yaml")
        .read_text()
        .replace("currency: USD", "currency: EUR")
        .replace("name: m", "name: euro")
    )
    (tmp_path / "eur.yaml").write_text(text)
    said = approved("policy", "adopt", "eur.yaml", "--as", "root", code=2)
    assert "The books are kept in USD, and the limits of euro are in EUR: write them in USD." in said
    assert told("policy", "show")["name"] == "m"
    assert "Proposal p is in USD, and the limits of the matrix are in EUR" in approved(
        "policy", "replay", "eur.yaml", code=2
    )


def test_before_there_are_books_a_matrix_may_be_in_any_currency(typed):
    typed("people", "add", "root", "--as", "root")
    Path("eur.yaml").write_text((CONFIGS / "simple.yaml").read_text().replace("currency: USD", "currency: EUR"))
    assert "is in force" in typed("policy", "adopt", "eur.yaml", "--as", "root")
    assert "Old rule" in typed("policy", "replay", "eur.yaml")
