"""Stories of proposals: every event of each with all its data, where its money is at the end, and that its log adds up.

What is stored in ``stories.json`` was read before it was stored; it is written anew by

    python tests/workflow/proposal/test_stories.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stories import STORIES

from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.ports import Filter

STORED = Path(__file__).with_name("stories.json")
DROPPED = ("content", "hash", "policy", "signature")
"""Digests, which say nothing to a reader; that they are right is tested where they are made."""


def told(world):
    """Events and balances."""
    with world.store.read() as reader:
        replayed(reader)
        events = [
            [event.stream, event.kind, event.stamp.actor, {k: v for k, v in event.data.items() if k not in DROPPED}]
            for event in reader.events()
            if event.stream.startswith("proposal/")
        ]
        balances = sorted(
            [f"{account.book} {account.period} {account.bucket}", amount]
            for account, amount in reader.balances().items()
            if amount
        )
        dues = [
            [record.stream, record.index.due, sorted(record.index.waiting)]
            for record in reader.find(Filter(kind="proposal"))
        ]
    assert sum(amount for _, amount in balances) == 0
    return json.loads(json.dumps({"events": events, "balances": balances, "waits": sorted(dues)}))


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_it_did(name):
    assert told(STORIES[name]()) == json.loads(STORED.read_text(encoding="utf-8"))[name]


if __name__ == "__main__":
    found = {name: told(story()) for name, story in STORIES.items()}
    STORED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
