"""Seeded runs against stored answers: every event to the byte, and every refusal to the word.

python tests/workflow/machine/test_golden.py    # writes golden.json anew, after looking at why it changed
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from chance import Chance
from world import World

from fiscus.workflow.store.memory import MemoryStore

STORED = Path(__file__).with_name("golden.json")
SEEDS, COMMANDS = (0, 1, 2, 3, 1001, 1146), 1_000


def transcript(seed):
    """Merkle root, digest of the refusals, and the first sentence of each rule that refused."""
    source, world, told = random.Random(seed), World(MemoryStore()), hashlib.sha256()
    chance, examples = Chance(source, world.reference), {}
    for _ in range(COMMANDS):
        if source.random() < 0.05:
            world.pass_days(source.randint(1, 4))
        kind, name, actor, behalf, given = chance.command()
        followed, why = world.follow(kind, name, actor, behalf, **given)
        world.expected(kind, name, actor, behalf, **given)
        if not followed:
            told.update(f"{kind}: {why}\n".encode())
            rule, _, sentence = why.partition(": ")
            examples.setdefault(rule, sentence)
    with world.store.read() as reader:
        return {"root": reader.head().root, "refusals": told.hexdigest(), "examples": dict(sorted(examples.items()))}


@pytest.mark.parametrize("seed", SEEDS)
def test_events_and_refusals_are_those_stored(seed):
    assert transcript(seed) == json.loads(STORED.read_text(encoding="utf-8"))[str(seed)]


def test_every_rule_says_a_whole_sentence():
    for run in json.loads(STORED.read_text(encoding="utf-8")).values():
        for rule, sentence in run["examples"].items():
            assert sentence[0].isalnum(), rule
            assert sentence.endswith("."), rule


if __name__ == "__main__":
    STORED.write_text(
        json.dumps({str(seed): transcript(seed) for seed in SEEDS}, indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
