"""The staffing proof: different people for every place that is left, or the rule that leaves none.

A place is one signature, the release or the reconciliation. Every human takes one place at most, so the proof is a matching that
fills all places; where there is none, Hall's theorem names stages that together want more people than may fill them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import maximum_bipartite_matching

from fiscus.workflow.duties.history import Act, in_words, parts
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.refusal import Refusal


class Slot(NamedTuple):
    """Places of one kind that are still to be filled.

    Attributes:
        kind: Part in the lineage, as of :class:`~fiscus.workflow.duties.history.Act`.
        roles: Any of these fills it.
        unit: For which.
        need: People.
        panel: Holders whom there must be at least, whether or not they may act here.
        signed: Humans who filled a place of this kind already.
    """

    kind: str
    roles: tuple[str, ...]
    unit: str
    need: int
    panel: int = 1
    signed: frozenset[str] = frozenset()


Staffing = Mapping[str, tuple[str, ...]]
"""People who could fill each kind of place, all different."""


def staff(slots: Sequence[Slot], history: Sequence[Act], registry: Registry, at: datetime) -> Staffing | Refusal:
    """People for every place, or why there are none.

    Delegates bring nobody new: whoever acts for another counts as both, so that the places of both are taken. The proof is by
    humans who hold the roles themselves.

    Args:
        slots: Places to fill.
        history: Parts that people had in the lineage.
        registry: People and roles.
        at: When roles must be in force.
    """
    had = parts(history, registry)
    held = [_holders(slot, registry, at) for slot in slots]
    able = [_able(slot, holders, had) for slot, holders in zip(slots, held, strict=True)]
    for slot, holders in zip(slots, held, strict=True):
        if len(holders) < slot.panel:
            return Refusal(
                "duties.panel",
                f"{_named(slot)} is a panel of {slot.panel}, and the role {' or '.join(slot.roles)} has "
                f"{len(holders)} active holder{'' if len(holders) == 1 else 's'} for {slot.unit}: appoint more.",
            )
    short = _short(slots, able)
    if isinstance(short, Mapping):
        return short
    return _blocked([slots[position] for position in short], [able[position] for position in short], had, registry, at)


def lost_by(
    act: Act, before: Sequence[Slot], after: Sequence[Slot], history: Sequence[Act], registry: Registry, at: datetime
) -> Refusal | None:
    """Why a part leaves too few people for what comes after it; None where there are enough, or were not before either.

    Args:
        act: The part that somebody would have.
        before: Places to fill without it.
        after: Places to fill once it is taken.
        history: Parts that people had.
        registry: Of people.
        at: When.
    """
    left = staff(after, (*history, act), registry, at)
    if not isinstance(left, Refusal) or isinstance(staff(before, history, registry, at), Refusal):
        return None
    return left


def _holders(slot: Slot, registry: Registry, at: datetime) -> frozenset[str]:
    """Active humans who hold a role of a slot."""
    return frozenset[str]().union(*(registry.human_holders(role, slot.unit, at) for role in slot.roles))


def _able(slot: Slot, holders: frozenset[str], had: Mapping[str, Mapping[str, Act]]) -> tuple[str, ...]:
    """Holders who had no other part, and did not sign here yet."""
    return tuple(
        sorted(
            person
            for person in holders - slot.signed
            if person not in had or not any(kind != slot.kind for kind in had[person])
        )
    )


def _short(slots: Sequence[Slot], able: Sequence[Sequence[str]]) -> Staffing | list[int]:
    """A staffing, or positions of slots that together want more people than there are for them."""
    places = [position for position, slot in enumerate(slots) for _ in range(slot.need)]
    people = sorted({person for each in able for person in each})
    if not places:
        return {}
    greedy = _greedy(slots, able)
    if greedy is not None:
        return greedy
    number = {person: column for column, person in enumerate(people)}
    rows = [row for row, position in enumerate(places) for _ in able[position]]
    columns = [number[person] for position in places for person in able[position]]
    graph = sp.csr_matrix(
        (np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(places), max(len(people), 1))
    )
    match = maximum_bipartite_matching(graph, perm_type="column")
    if (match >= 0).all():
        found: dict[str, tuple[str, ...]] = {}
        for row, position in enumerate(places):
            kind = slots[position].kind
            found[kind] = (*found.get(kind, ()), people[int(match[row])])
        return found
    return _smallest(slots, able, _reached(places, able, number, match))


def _greedy(slots: Sequence[Slot], able: Sequence[Sequence[str]]) -> Staffing | None:
    """The scarcest slots first, each by those who are left; mostly that is enough, and no matching has to be looked for."""
    taken: set[str] = set()
    found: dict[str, tuple[str, ...]] = {}
    for position in sorted(range(len(slots)), key=lambda each: len(able[each]) - slots[each].need):
        free = [person for person in able[position] if person not in taken][: slots[position].need]
        if len(free) < slots[position].need:
            return None
        taken.update(free)
        found[slots[position].kind] = tuple(free)
    return found


def _reached(
    places: Sequence[int], able: Sequence[Sequence[str]], number: Mapping[str, int], match: np.ndarray
) -> list[int]:
    """Slots reached by alternating paths from a place that nobody fills: together they want more people than they have."""
    holder = {int(column): row for row, column in enumerate(match) if column >= 0}
    start = int(np.flatnonzero(match < 0)[0])
    seen, queue = {start}, [start]
    while queue:
        row = queue.pop()
        for person in able[places[row]]:
            other = holder[number[person]]  # Else the path would augment.
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return sorted({places[row] for row in seen})


def _smallest(slots: Sequence[Slot], able: Sequence[Sequence[str]], positions: list[int]) -> list[int]:
    """The same without slots that are not needed for it."""
    kept = list(positions)
    for position in positions:
        rest = [each for each in kept if each != position]
        if rest and sum(slots[each].need for each in rest) > len({p for each in rest for p in able[each]}):
            kept = rest
    return kept


def _blocked(
    slots: Sequence[Slot],
    able: Sequence[Sequence[str]],
    had: Mapping[str, Mapping[str, Act]],
    registry: Registry,
    at: datetime,
) -> Refusal:
    need = sum(slot.need for slot in slots)
    people = sorted({person for each in able for person in each})
    names = " and ".join([_named(slots[0]), *(_named(slot)[0].lower() + _named(slot)[1:] for slot in slots[1:])])
    there = f"only {', '.join(people)} may" if people else "nobody may"
    barred = [
        f"{person} {in_words(next(kind for kind in had[person]))}"
        for person in sorted({person for slot in slots for person in _holders(slot, registry, at)} - set(people))
        if person in had
    ]
    because = f" ({'; '.join(barred)})" if barred else ""
    rule = "duties.one_part" if barred or len(slots) > 1 else "duties.nobody"
    return Refusal(
        rule,
        f"{names} need{'s' if len(slots) == 1 else ''} {need} different {'person' if need == 1 else 'people'}, and {there}"
        f"{because}: give the role {' or '.join(dict.fromkeys(role for slot in slots for role in slot.roles))} to more people.",
    )


def _named(slot: Slot) -> str:
    if slot.kind.startswith("stage:"):
        return f"Stage {slot.kind.removeprefix('stage:')}"
    return {"release": "The release", "reconcile": "The reconciliation"}[slot.kind]
