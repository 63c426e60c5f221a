"""Every rule that forbids something to a proposal, met once: its name and its whole sentence, and that nothing changed.

The sentences stand in ``refusals.json``; whoever changes one reads it there as an approver would.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from scenes import SCENES

SAID = json.loads((Path(__file__).parent / "refusals.json").read_text(encoding="utf-8"))
SOURCE = Path(__file__).parents[3] / "src" / "fiscus" / "workflow"


@pytest.mark.parametrize("name", SCENES)
def test_a_refusal_names_its_rule_and_says_why(name):
    assert list(SCENES[name]()) == SAID[name]


def test_every_sentence_has_its_scene():
    assert set(SAID) == set(SCENES)


def test_every_rule_in_the_code_is_met():
    """Names of rules of what decides on proposals; those with a place in their name are met in one form of it."""
    files = [*(SOURCE / "proposal").glob("*.py"), *(SOURCE / "duties").glob("*.py"), SOURCE / "funds" / "flows.py"]
    named = {
        rule for path in files for rule in re.findall(r'"((?:[a-z]+)\.[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    rules = {
        rule
        for rule in named
        if rule.split(".")[0]
        in ("content", "proposal", "funds", "authority", "duties", "emergency", "identity", "reason", "reference")
    }
    assert rules - {rule for rule, _ in SAID.values()} == {"duties.nobody"}  # Met in test_staffing.
