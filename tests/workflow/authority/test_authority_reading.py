"""What people write in YAML, and what they are told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiscus.errors import InvalidMatrix
from fiscus.workflow.authority.conditions import EVERY_CHANGE, Condition, Span
from fiscus.workflow.authority.matrix import Duties, Stage
from fiscus.workflow.authority.reading import matrix_from_text, read_matrix

GOOD = """\
name: town
currency: USD
about: For tests.
roles:
  head: {title: Head}
  director: {title: Director}
  treasurer: {title: Treasurer}
  controller: {title: Controller}
rolling_days: 365
risk_bands: [low, high]
units: [police]
rules:
  - id: small
    when: {amount: {below: "50000.00"}, change: {below: 0.1}, unit: police, risk: low}
    path:
      - {stage: head, role: head, need: 1, of: 1, days: 5, escalate: director}
    release: treasurer
    reconcile: controller
  - id: grown
    when: {amount: {below: "50000.00"}, change: {from: 0.1}, new: true, unit: [police], risk: low}
    path:
      - together: [{stage: head, role: head}, {stage: director, role: director, need: 2, of: 3, signature: true}]
    release: treasurer
    reconcile: controller
  - id: large
    when: {amount: {from: 50000}, unit: police, risk: low}
    path: [{stage: head, role: head}, {stage: director, role: director}]
    release: treasurer
    reconcile: controller
  - id: risky
    when: {unit: police, risk: high, origin: [optimiser, learned, manual]}
    path: [{stage: director, role: director}]
    release: treasurer
    reconcile: controller
  - id: elsewhere
    when: {unit: elsewhere, origin: "*"}
    path: [{stage: director, role: director}]
    release: treasurer
    reconcile: controller
duties:
  exclusive: [[treasurer, head]]
  session: [[head, director]]
  emergency: director
budget: {control: soft}
"""


def faults_of(text):
    with pytest.raises(InvalidMatrix) as refused:
        matrix_from_text(text, "town.yaml")
    assert all(fault.startswith("town.yaml: ") for fault in refused.value.faults)
    return refused.value.faults


def changed(old, new, text=GOOD):
    assert old in text
    return text.replace(old, new, 1)


def test_a_good_file_says_what_it_says():
    matrix = matrix_from_text(GOOD, "town.yaml")
    small, grown, large, _, elsewhere = matrix.rules
    assert small.when == Condition(Span(0, 5_000_000), Span(-1.0, 0.1), False, ("police",), ("low",))
    assert small.steps == ((Stage("head", "head", days=5, escalate="director"),),)
    assert grown.when.change == Span(0.1)
    assert grown.when.new
    assert grown.steps == ((Stage("head", "head"), Stage("director", "director", need=2, of=3, signature=True)),)
    assert large.when.amount == Span(5_000_000)
    assert large.when.change == EVERY_CHANGE
    assert large.when.new
    assert [len(step) for step in large.steps] == [1, 1]
    assert elsewhere.when == Condition(units=("elsewhere",))
    assert matrix.duties == Duties((("head", "treasurer"),), (("director", "head"),), "director")
    assert (matrix.control, matrix.rolling_days, matrix.roles["head"]) == ("soft", 365, "Head")


def test_new_and_change_say_which_pasts_are_taken():
    def when(words):
        text = changed("when: {amount: {from: 50000}, unit: police, risk: low}", f"when: {words}")
        try:
            return matrix_from_text(text, "town.yaml").rules[2].when
        except InvalidMatrix as refused:
            return " ".join(refused.faults)

    assert "rules large and elsewhere overlap" in when("{new: true}")
    assert "rules grown and large overlap" in when("{new: true, unit: police, risk: low}")
    old = when("{new: false, unit: police, amount: {from: 50000}, risk: low}")
    assert "there is a gap where the amount is from 50,000.00, the change is new, the unit is police" in old


def test_what_is_left_out_has_a_meaning():
    short = changed("need: 1, of: 1, days: 5, escalate: director", "need: 3, escalate: ")
    assert matrix_from_text(short, "town.yaml").rules[0].stages[0] == Stage("head", "head", need=3, of=3)
    plain = GOOD[: GOOD.index("duties:")]
    matrix = matrix_from_text(plain, "town.yaml")
    assert (matrix.duties, matrix.control) == (Duties(), "hard")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("about: For tests.\n", "", "about must stand here"),
        ("about: For", "abuot: x\nabout: For", "line 3, abuot: the key 'abuot' is unknown; did you mean 'about'?"),
        ("currency: USD", "currency: USB", "line 2, currency: 'USB' is not an ISO 4217 currency code"),
        ("need: 1,", "need: five,", "line 16, rules 1, path 1, need: it must be a whole number, not 'five'"),
        ("need: 1,", "need: true,", "it must be a whole number, not True"),
        ("need: 1,", "need: 0,", "rule small: stage head: need is 0; at least 1 person"),
        ("need: 2, of: 3", "need: 4, of: 3", "rule grown: stage director: 4 of 3 can never approve"),
        ("days: 5", "days: -5", "rule small: stage head: days is -5"),
        ("days: 5, ", "", "it escalates, but has no days"),
        ("escalate: director", "escalate: head", "roles escalate in a circle: head to head"),
        ("escalate: director", "escalate: chief", "role 'chief' is unknown"),
        ("role: head,", "role: haed,", "rule small: stage head: role 'haed' is unknown; did you mean 'head'?"),
        ("role: head,", "", "line 16, rules 1, path 1: role must stand here"),
        ("{stage: director, role: director, need", "{stage: head, role: director, need", "stage 'head' stands twice"),
        ("id: grown", "id: small", "rule 'small' stands twice"),
        ("release: treasurer", "release: tresurer", "rule small: release: role 'tresurer' is unknown"),
        ("reconcile: controller", "reconcile: nobody", "rule small: reconcile: role 'nobody' is unknown"),
        (
            "unit: police, risk: low",
            "unit: polcie, risk: low",
            "rule small: unit 'polcie' is unknown; did you mean 'police'",
        ),
        ("risk: low}", "risk: lo}", "rule small: risk band 'lo' is unknown"),
        ("learned, manual]", "learnt, manual]", "rule risky: origin 'learnt' is unknown; did you mean 'learned'"),
        ("[low, high]", "[low, high, low]", "risk band 'low' stands twice"),
        ("units: [police]", "units: [police, police]", "unit 'police' stands twice"),
        ("units: [police]", "units: [police, elsewhere]", "unit 'elsewhere': this word stands for other units"),
        ("rolling_days: 365", "rolling_days: -1", "rolling_days is -1"),
        ("control: soft", "control: firm", "budget: control 'firm' is unknown"),
        ("[[treasurer, head]]", "[[head, head]]", "duties, exclusive: head stands against itself"),
        ("[[treasurer, head]]", "[[treasurer, haed]]", "duties, exclusive: role 'haed' is unknown"),
        ("[[treasurer, head]]", "[[treasurer, head], [head, treasurer]]", "head and treasurer stand there twice"),
        ("[[treasurer, head]]", "[[treasurer]]", "duties, exclusive 1: it must be two roles"),
        ("emergency: director", "emergency: nobody", "duties, emergency: role 'nobody' is unknown"),
        ('below: "50000.00"', "below: 50000.00", "it must be an amount: a whole number, or text in quotation marks"),
        ('below: "50000.00"', 'below: "50000.001"', "50000.001 has more than the 2 decimals of USD"),
        ('below: "50000.00"', 'below: "1e15"', "amount goes beyond 9,007,199,254,740,991 minor units"),
        ('below: "50000.00"', 'from: 50000, below: "50000.00"', "rule small: amount takes nothing"),
        ('below: "50000.00"', 'below: "-1"', "rule small: amount takes nothing"),
        ('below: "50000.00"', 'from: -1, below: "50000.00"', "rule small: amount begins below 0"),
        (
            "change: {below: 0.1}",
            "change: {below: ten}",
            "line 14, rules 1, when, change, below: it must be a number such as",
        ),
        ("change: {below: 0.1}", "change: {from: -2, below: 0.1}", "rule small: change begins below -1"),
        ("change: {below: 0.1}", "change: {from: 0.1, below: 0.1}", "rule small: change takes nothing"),
        ("change: {below: 0.1}", "change: {below: .inf}", "line 14: YAML does not read '.inf' as it stands"),
        ("unit: elsewhere", "unit: []", "it must be at least one name; leave it out for all"),
        ("path: [{stage: director, role: director}]", "path: []", "rule risky: its path has a step without stages"),
        (
            "path: [{stage: director, role: director}]",
            "path: [{together: []}]",
            "rule risky: its path has a step without",
        ),
        ("path: [{stage: director, role: director}]", "path: {a: b}", "it must be a list, not a table of keys"),
        ("id: small", "id: a b", "it must be a name of letters, digits, _ . and -, not 'a b'"),
        ("id: small", "id: no", "it must be text, not False"),
        ("id: small", "id: 010", "line 13: YAML does not read '010' as it stands"),
        ("id: small", "id: 2026-11-23", "YAML does not read '2026-11-23' as it stands"),
        ("id: small", "id: !!int x", "YAML does not read 'x' as it stands"),
        ("name: town", 'name: "\\ud800"', "line 1: YAML does not read"),
        ("name: town", "name: &x [*x]", "contains itself"),
        ("name: town", "name: town\nname: town", "line 2: the key 'name' stands twice"),
        ("name: town", "name: [", "this is not YAML"),
        ("name: town", "name: " + "[" * 5000, "nested too deep"),
        ("name: town", "name: \x00", "this is not YAML"),
        ("name: town", "name: town\n---", "this is not YAML"),
        ("name: town", "? [a]\n: b\nname: town", "line 1: a key must be text"),
    ],
)
def test_a_fault_is_told_with_its_place(old, new, said):
    assert said in "\n".join(faults_of(changed(old, new)))


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "1", "rules", "rules: 1", "{}"])
def test_a_file_that_is_something_else_is_refused(text):
    assert faults_of(text)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(InvalidMatrix, match=r"none\.yaml: it cannot be read"):
        read_matrix(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(InvalidMatrix, match=r"latin\.yaml: it cannot be read"):
        read_matrix(tmp_path / "latin.yaml")


def test_the_largest_amount_that_json_carries_may_be_named():
    text = GOOD.replace('"50000.00"', '"90071992547409.91"').replace("from: 50000}", 'from: "90071992547409.91"}')
    assert matrix_from_text(text, "town.yaml").digest
    assert "beyond" in faults_of(text.replace("409.91", "409.92"))[0]


def test_all_faults_are_told_at_once_and_gaps_and_overlaps_with_an_example():
    text = GOOD
    for old, new in [
        ('below: "50000.00"}, change: {below', 'below: "40000.00"}, change: {below'),
        ("{from: 50000}", '{from: "45000.5"}'),
        ("role: head, need: 1", "role: chief, need: 1"),
        ("need: 2, of: 3", "need: 3, of: 2"),
        ("id: risky", "id: large"),
        ("emergency: director", "emergency: nobody"),
        ("signature: true", "signature: maybe"),
    ]:
        text = changed(old, new, text)
    assert [fault.removeprefix("town.yaml: ") for fault in faults_of(text)] == [
        "line 22, rules 2, path 1, together 2, signature: it must be true or false, not 'maybe'.",
        "rule 'large' stands twice; give every rule its own id.",
        "rule small: stage head: role 'chief' is unknown; known: head, director, treasurer, controller.",
        "rule grown: stage director: 3 of 2 can never approve; need is at most of.",
        "duties, emergency: role 'nobody' is unknown; known: head, director, treasurer, controller.",
        "there is a gap where the amount is 40,000.00 to below 45,000.50, the change is below +10%, the unit is police "
        "and the risk is low: no rule takes a proposal of USD 40,000.00, -100% on last year, unit police, risk low, "
        "origin optimiser.",
        "rules grown and large overlap: both take a proposal of USD 45,000.50, +10% on last year, unit police, risk low, "
        "origin optimiser.",
    ]


def test_gaps_wait_until_the_conditions_can_be_read():
    text = changed("change: {below: 0.1}", "change: {below: ten}", changed("id: large", "id: large\n    realease: x"))
    assert not any("gap" in fault or "overlap" in fault for fault in faults_of(text))


def test_more_faults_than_anybody_reads_are_counted():
    rule = "  - {id: r%d, path: [{stage: a, role: a}], release: a, reconcile: a}\n"
    head = "name: n\ncurrency: USD\nabout: x\nroles: {a: {title: A}}\nrolling_days: 0\nrules:\n"
    told = faults_of(head + "".join(rule % number for number in range(8)))
    assert len(told) == 21
    assert told[-1].endswith("there are 8 more overlaps; these come to light once the first are mended.")


def test_a_circle_of_three_roles_is_told_once():
    text = GOOD.replace("role: director}", "role: director, days: 1, escalate: treasurer}")
    text = changed(
        "together: [{stage: head, role: head}",
        "together: [{stage: head, role: treasurer, days: 1, escalate: head}",
        text,
    )
    circles = [fault for fault in faults_of(text) if "circle" in fault]
    assert circles == [
        "town.yaml: roles escalate in a circle: director to treasurer to head to director; the highest must escalate to nobody."
    ]


def test_a_path_may_be_written_once_and_used_again():
    shared = changed(
        "path: [{stage: head, role: head}, {stage: director", "path: &long [{stage: head, role: head}, {stage: director"
    )
    shared = changed("path: [{stage: director, role: director}]", "path: *long", shared)
    matrix = matrix_from_text(shared, "town.yaml")
    assert matrix.rules[2].steps == matrix.rules[3].steps
    assert (
        len(faults_of(shared.replace("&long [{stage: head", "&long [{stagee: head"))) == 2
    )  # Unknown key, missing key; once.


def test_the_role_that_releases_may_also_approve():
    assert matrix_from_text(GOOD.replace("release: treasurer", "release: director"), "town.yaml")


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=150)
def test_damaged_files_are_read_or_refused_and_never_crash(seed):
    """Characters and lines dropped, doubled and exchanged."""
    draw = random.Random(seed)
    text = GOOD
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(text))
        new = draw.choice(["", draw.choice("{}[]:,-#\n\t 019&*!%@`|>'é"), draw.choice(GOOD.splitlines(keepends=True))])
        text = text[:place] + new + text[place + draw.randint(0, 1) :]
    try:
        matrix_from_text(text, "town.yaml")
    except InvalidMatrix as refused:
        told = refused.faults
    else:
        told = ("read",)
    assert told
