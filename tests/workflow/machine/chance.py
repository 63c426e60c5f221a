"""Random commands: mostly sensible ones, so that proposals get far; now and then anything."""

from __future__ import annotations

from reference import DELEGATES, ROLES, WITH_MONEY

LINES = {"roads": "north", "parks": "north", "ports": "south", "halls": "city"}
PEOPLE = sorted(ROLES)
KINDS = (
    *("Draft", "Reallocate", "Edit", "Submit", "Approve", "BreakGlass", "Reject", "Return", "Recall", "Escalate"),
    *("Hold", "Resume", "Release", "Commit", "RecordActual", "Reverse", "Reconcile", "Close", "Expire", "Comment"),
)
NEXT = {
    "draft": ("Submit",) * 6 + ("Edit", "Recall"),
    "returned": ("Edit",) * 3 + ("Recall",),
    "in_review": ("Approve",) * 14 + ("BreakGlass", "Reject", "Return", "Edit", "Recall", "Escalate", "Hold", "Expire"),
    "approved": ("Release",) * 6 + ("Hold", "Reallocate", "Expire", "Close"),
    "part_released": ("Release", "Commit", "RecordActual", "Reverse", "Reconcile", "Reallocate", "Close", "Hold"),
    "released": ("Commit", "RecordActual", "RecordActual", "Reverse", "Reconcile", "Reallocate", "Close"),
    "held": ("Resume",) * 3 + ("Approve", "Release"),
}
PLAYERS = {
    "Approve": ("hal", "hope", "dan", "dot", "dee", "ben", "bea", "bob", "max"),
    "BreakGlass": ("ben", "eve", "eli"),
    "Release": ("tom", "tia", "dot"),
    "Commit": ("tom", "tia", "dot"),
    "RecordActual": ("tom", "tia", "dot"),
    "Reverse": ("tom", "tia", "dot"),
    "Reconcile": ("cal", "bob"),
}


class Chance:
    """Draws commands from a source of randomness.

    Args:
        random: Of :mod:`random`, or anything that draws alike.
        reference: Whose drafts are talked about.
        window: Latest proposals that are acted on.
    """

    def __init__(self, random, reference, window=12) -> None:
        self.random, self.reference, self.window = random, reference, window
        self.names = 0

    def command(self):
        """``(kind, name, actor, behalf, given)``."""
        random, drafts = self.random, self.reference.drafts
        recent = list(drafts)[-self.window :]
        if not recent or random.random() < 0.06:
            kind, name = "Draft", self._fresh() if random.random() < 0.97 or not recent else random.choice(recent)
        else:
            name = random.choice(recent)
            likely = NEXT.get(drafts[name].status, KINDS)
            kind = random.choice(likely) if random.random() < 0.9 else random.choice(KINDS)
            if kind in ("Draft", "Reallocate"):
                name = self._fresh()
        given = self._given(kind, name, recent)
        actor, behalf = self._actor(kind, name)
        return kind, name, actor, behalf, given

    def _fresh(self):
        self.names += 1
        return f"m{self.names}"

    def _actor(self, kind, name):
        random = self.random
        draft = self.reference.drafts.get(name)
        actor = random.choice(PEOPLE)
        if random.random() < 0.92:
            if kind in PLAYERS:
                actor = random.choice(PLAYERS[kind])
            elif kind in ("Draft", "Reallocate"):
                actor = random.choice(("ann", "abe", "robot", "hal", "tom"))
            elif draft is not None and kind in ("Edit", "Submit", "Recall"):
                actor = draft.owner
        givers = sorted(DELEGATES.get(actor, ()))
        behalf = random.choice(givers) if givers and random.random() < 0.7 else ""
        if random.random() < 0.02:
            behalf = random.choice(PEOPLE)
        return actor, "" if behalf == actor else behalf

    def _amounts(self, lowest=1, highest=4_000):
        random = self.random
        lines = random.sample(sorted(LINES), random.randint(1, 3))
        amounts = {(random.choice(("p1", "p2")), line): random.randint(lowest, highest) for line in lines}
        return amounts, {cell: LINES[cell[1]] for cell in amounts}

    def _some(self, there):
        """Parts of what is there, sometimes a bit more."""
        random = self.random
        cells = [cell for cell, amount in sorted(there.items()) if amount > 0]
        if not cells or random.random() < 0.05:
            return {("p1", "roads"): random.randint(-1, 3_000)}
        chosen = random.sample(cells, random.randint(1, len(cells)))
        return {
            cell: there[cell] + (1 if random.random() < 0.05 else 0)
            if random.random() < 0.5
            else random.randint(1, there[cell])
            for cell in chosen
        }

    def _given(self, kind, name, recent):
        random, drafts = self.random, self.reference.drafts
        draft = drafts.get(name)
        if kind == "Draft":
            amounts, unit_of = self._amounts()
            given = {"amounts": amounts, "unit_of": unit_of}
            return given | ({"supersedes": random.choice(recent)} if recent and random.random() < 0.15 else {})
        if kind == "Reallocate":
            return self._reallocation(recent)
        if draft is None:
            return {"amounts": {}, "unit_of": {}}
        if kind == "Edit":
            if draft.parent:
                given = self._reallocation([draft.parent])
                del given["parent"]
                return given
            amounts, unit_of = self._amounts()
            return {"amounts": amounts, "unit_of": unit_of}
        if kind == "Submit":
            return {"expires": self.reference.day + random.randint(-1, 60)} if random.random() < 0.3 else {}
        if kind in ("Approve", "BreakGlass"):
            return {"version": draft.seen if random.random() < 0.95 else -1}
        if kind == "Release":
            return {"amounts": {} if random.random() < 0.4 else self._some(draft.left())}
        if kind == "Commit":
            return {"amounts": self._some(draft.released)}
        if kind == "RecordActual":
            return {
                "amounts": self._some({c: draft.released.get(c, 0) + draft.committed.get(c, 0) for c in draft.whole()})
            }
        if kind == "Reverse":
            return {"event": random.choice(sorted(draft.moves)) if draft.moves else draft.events}
        if kind == "Reconcile":
            totals = {}
            for (period, _), amount in draft.actual.items():
                totals[period] = totals.get(period, 0) + amount
            if random.random() < 0.1:
                totals["p1"] = totals.get("p1", 0) + 1
            return {"totals": totals}
        if kind == "Escalate":
            return {"stage": random.choice(("head", "head", "director", "board"))}
        return {}

    def _reallocation(self, recent):
        random, drafts = self.random, self.reference.drafts
        able = [name for name in recent if name in drafts and drafts[name].status in WITH_MONEY] or recent
        if not able:
            return {"amounts": {("p1", "roads"): 5}, "unit_of": {("p1", "roads"): "north"}, "parent": "none"}
        parent = random.choice(able)
        amounts, unit_of = self._amounts(1, 1_500)
        left = (
            [cell for cell, amount in sorted(drafts[parent].left().items()) if amount > 0] if parent in drafts else []
        )
        if left and random.random() < 0.8:
            cell = random.choice(left)
            amounts[cell] = -random.randint(1, drafts[parent].left()[cell] + random.randint(0, 1))
            unit_of[cell] = LINES[cell[1]]
        return {"amounts": amounts, "unit_of": unit_of, "parent": parent}
