"""The workflow a second time, as plainly as it can be said: sets of people and sums of money, everything recomputed each time.

Shares no code with ``fiscus.workflow``. It answers one question: may this command be followed now? and keeps what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

ROLES = {
    "ann": {"clerk"},
    "abe": {"clerk"},
    "robot": set(),  # A service account; ann answers for it.
    "hal": {"head"},
    "hope": {"head", "director"},
    "dan": {"director"},
    "dot": {"director", "treasurer"},
    "dee": {"director"},
    "ben": {"board", "emergency"},
    "bea": {"board"},
    "bob": {"board", "controller"},
    "tom": {"treasurer"},
    "tia": {"treasurer"},
    "cal": {"controller"},
    "eve": {"emergency"},
    "eli": {"emergency"},
    "max": set(),  # May act for dan and for hal.
}
HUMAN = {name: name for name in ROLES} | {"robot": "ann"}
DELEGATES = {"max": {"dan", "hal"}, "cal": {"bea"}}
HEAD_UNIT = {"hal": "north"}
"""Where a role is held; everywhere else."""

PARENT = {"city": "", "north": "city", "south": "city"}
SMALL = 5_000
"""Minor units below which the head of the unit and one director decide."""

DAYS = {"head": 5}
ROLLING = 90
OPEN, WITH_MONEY = {"draft", "returned", "in_review"}, {"approved", "part_released", "released"}
FINAL = {"closed", "rejected", "recalled", "expired", "superseded"}
LIVE = {"in_review", "approved", "part_released", "released", "closed", "held"}


def path_of(amount):
    """Steps of (stage, role, need)."""
    if amount < SMALL:
        return [[("head", "head", 1)], [("director", "director", 1)]]
    return [[("head", "head", 1), ("directors", "director", 2)], [("board", "board", 2)]]


@dataclass
class Draft:
    owner: str
    root: str
    parent: str
    amounts: dict  # (period, line) -> amount or change
    unit_of: dict
    status: str = "draft"
    number: int = 0  # Of the version.
    seen: tuple = ()  # Version that is in review.
    submitted: int = -1
    path: list = field(default_factory=list)
    step: int = 0
    opened: int = 0
    signed: dict = field(default_factory=dict)  # stage -> list of sets of humans
    escalated: set = field(default_factory=set)
    touched: frozenset = frozenset()
    before_hold: str = ""
    expires: int = -1
    roots_parts: list = field(default_factory=list)  # (humans, part), shared by the family
    added: dict = field(default_factory=dict)
    released: dict = field(default_factory=dict)
    committed: dict = field(default_factory=dict)
    actual: dict = field(default_factory=dict)
    moves: dict = field(default_factory=dict)  # event number -> list of (cell, from, to, amount)
    events: int = 0
    reconciled: bool = False

    def whole(self):
        cells = {*self.amounts, *self.added}
        return {cell: self.amounts.get(cell, 0) + self.added.get(cell, 0) for cell in cells}

    def out(self, cell):
        return self.released.get(cell, 0) + self.committed.get(cell, 0) + self.actual.get(cell, 0)

    def left(self):
        return {cell: amount - self.out(cell) for cell, amount in self.whole().items()}


class Reference:
    """The world: budgets of the city and of north are hard, that of south is soft; cash comes in by period."""

    PERIODS = ("p1", "p2")

    def __init__(self, budgets, cash, reserve):
        self.budgets, self.cash, self.reserve = budgets, cash, reserve
        self.drafts = {}
        self.day = 0
        self.counter = count(1)

    # People

    def humans(self, actor, behalf):
        return frozenset({HUMAN[actor], HUMAN[behalf or actor]})

    def known(self, actor, behalf):
        return not behalf or behalf in DELEGATES.get(actor, ())

    def holds(self, actor, behalf, role, unit):
        who = behalf or actor
        if role not in ROLES[who]:
            return False
        place = HEAD_UNIT.get(who, "city") if role == "head" else "city"
        while unit and unit != place:
            unit = PARENT[unit]
        return unit == place

    def bars(self, parts, humans, part):
        """Whether someone of these had another part in the family."""
        return any(people & humans and other != part for people, other in parts)

    def unit(self, draft):
        units = set(draft.unit_of.values())
        return units.pop() if len(units) == 1 else "city"

    def staffed(self, draft, signed, parts):
        """Whether different people can take every place that is left: an augmenting-path matching."""
        places = []
        for step in draft.path:
            for stage, role, need in step:
                roles = {role} | ({"director"} if stage in draft.escalated else set())
                missing = need - len(signed.get(stage, ()))
                places += [(f"stage:{stage}", roles)] * max(missing, 0)
        if not draft.parent:
            places += [("release", {"treasurer"}), ("reconcile", {"controller"})]
        unit = self.unit(draft)
        able = []
        for part, roles in places:
            already = list(signed.get(part[6:], ())) if part.startswith("stage:") else []
            able.append(
                {
                    person
                    for person in ROLES
                    if person != "robot"
                    and any(self.holds(person, "", role, unit) for role in roles)
                    and not self.bars(parts, frozenset({person}), part)
                    and not any(person in people for people in already)
                }
            )
        taken = {}

        def place(number, tried):
            for person in able[number]:
                if person in tried:
                    continue
                tried.add(person)
                if person not in taken or place(taken[person], tried):
                    taken[person] = number
                    return True
            return False

        return all(place(number, set()) for number in range(len(places)))

    # Money

    def reserved_and_beyond(self, unit, period):
        total = 0
        for draft in self.drafts.values():
            if draft.parent or draft.status not in {*WITH_MONEY, "held", "closed", "expired"}:
                continue
            if draft.status == "held" and draft.before_hold not in WITH_MONEY:
                continue
            ended = draft.status in ("closed", "expired")
            for cell, amount in draft.whole().items():
                place = draft.unit_of[cell]
                if cell[0] == period and unit in (place, PARENT[place]):
                    total += draft.actual.get(cell, 0) if ended else amount
        return total

    def available(self, unit, period):
        return self.budgets[unit, period] - self.reserved_and_beyond(unit, period)

    def cash_left(self, period):
        until = self.PERIODS[: self.PERIODS.index(period) + 1]
        paid = 0
        for draft in self.drafts.values():
            for cell in draft.whole():
                if cell[0] in until:
                    paid += draft.actual.get(cell, 0)
                    if draft.status not in ("closed", "expired"):
                        paid += draft.released.get(cell, 0) + draft.committed.get(cell, 0)
        return sum(self.cash[each] for each in until) - paid - self.reserve[period]

    def budget_allows(self, changes, unit_of):
        """Whether reserving changes by cell leaves no hard budget below nothing, where it takes more."""
        for unit in ("city", "north"):
            for period in self.PERIODS:
                more = sum(
                    amount
                    for cell, amount in changes.items()
                    if cell[0] == period and unit in (unit_of[cell], PARENT[unit_of[cell]])
                )
                if self.available(unit, period) - more < 0:
                    return False
        return True

    def cash_allows(self, amounts):
        for period in self.PERIODS:
            until = self.PERIODS[: self.PERIODS.index(period) + 1]
            if self.cash_left(period) - sum(amount for cell, amount in amounts.items() if cell[0] in until) < 0:
                return False
        return True

    def status(self, draft):
        if not any(draft.out(cell) for cell in draft.whole()):
            return "approved"
        return "part_released" if any(draft.left().values()) else "released"

    # Commands: each returns whether it is followed.

    def follow(self, kind, name, actor, behalf, **given):
        if not self.known(actor, behalf):
            return False
        draft = self.drafts.get(name)
        if kind in ("Draft", "Reallocate"):
            return draft is None and getattr(self, "do_" + kind.lower())(name, actor, behalf, **given)
        return draft is not None and getattr(self, "do_" + kind.lower())(draft, name, actor, behalf, **given)

    def note(self, draft, events=1):
        draft.events += events

    def do_draft(self, name, actor, behalf, amounts, unit_of, supersedes=""):
        root, parts = name, []
        if supersedes:
            old = self.drafts.get(supersedes)
            if old is None or old.owner != (behalf or actor) or old.status not in OPEN:
                return False
            root, parts = old.root, old.roots_parts
        if self.bars(parts, self.humans(actor, behalf), "author"):
            return False
        parts.append((self.humans(actor, behalf), "author"))
        if supersedes:
            old.status = "superseded"
            self.note(old)
        made = Draft(behalf or actor, root, "", dict(amounts), dict(unit_of), roots_parts=parts)
        made.number = next(self.counter)
        self.note(made)
        self.drafts[name] = made
        return True

    def fits(self, parent, amounts, unit_of):
        if parent.status not in WITH_MONEY:
            return False
        left = parent.left()
        return all(
            left.get(cell, 0) + amount >= 0 and parent.unit_of.get(cell, unit_of[cell]) == unit_of[cell]
            for cell, amount in amounts.items()
        )

    def do_reallocate(self, name, actor, behalf, amounts, unit_of, parent):
        old = self.drafts.get(parent)
        if old is None or not self.fits(old, amounts, unit_of):
            return False
        if self.bars(old.roots_parts, self.humans(actor, behalf), "author"):
            return False
        old.roots_parts.append((self.humans(actor, behalf), "author"))
        made = Draft(behalf or actor, old.root, parent, dict(amounts), dict(unit_of), roots_parts=old.roots_parts)
        made.number = next(self.counter)
        self.note(made)
        self.drafts[name] = made
        return True

    def do_edit(self, draft, name, actor, behalf, amounts, unit_of):
        if draft.status not in OPEN or draft.owner != (behalf or actor):
            return False
        if self.bars(draft.roots_parts, self.humans(actor, behalf), "author") or (amounts, unit_of) == (
            draft.amounts,
            draft.unit_of,
        ):
            return False
        if draft.parent and not self.fits(self.drafts[draft.parent], amounts, unit_of):
            return False
        draft.roots_parts.append((self.humans(actor, behalf), "author"))
        draft.amounts, draft.unit_of, draft.status = dict(amounts), dict(unit_of), "draft"
        draft.number, draft.signed, draft.escalated, draft.touched = next(self.counter), {}, set(), frozenset()
        self.note(draft)
        return True

    def size(self, draft):
        return sum(amount for amount in draft.amounts.values() if amount > 0)

    def do_submit(self, draft, name, actor, behalf, expires=-1):
        if draft.status != "draft" or draft.owner != (behalf or actor) or (expires >= 0 and expires <= self.day):
            return False
        if draft.parent and not self.fits(self.drafts[draft.parent], draft.amounts, draft.unit_of):
            return False
        if not self.budget_allows(draft.amounts, draft.unit_of):
            return False
        lines = {line for _, line in draft.amounts}
        others = sum(
            amount
            for key, other in self.drafts.items()
            if key != name
            and other.owner == draft.owner
            and other.status in LIVE
            and other.submitted >= self.day - ROLLING
            for (_, line), amount in other.amounts.items()
            if line in lines and amount > 0
        )
        before = draft.path, draft.escalated
        draft.path, draft.escalated = path_of(self.size(draft) + others), set()
        if not self.staffed(draft, {}, draft.roots_parts):
            draft.path, draft.escalated = before
            return False
        draft.roots_parts.append((self.humans(actor, behalf), "author"))
        draft.status, draft.submitted, draft.step, draft.opened = "in_review", self.day, 0, self.day
        draft.signed, draft.touched, draft.expires, draft.seen = {}, frozenset(), expires, draft.number
        self.note(draft)
        return True

    def stages_open(self, draft):
        return [stage for stage in draft.path[draft.step] if len(draft.signed.get(stage[0], ())) < stage[2]]

    def mine(self, draft, actor, behalf):
        found = []
        for stage, role, need in self.stages_open(draft):
            roles = [role] + (["director"] if stage in draft.escalated else [])
            if any(self.holds(actor, behalf, each, self.unit(draft)) for each in roles):
                found.append((stage, role, need))
        return found

    def signed_by(self, draft, stage, humans):
        return any(people & humans for people in draft.signed.get(stage, ()))

    def do_approve(self, draft, name, actor, behalf, version):
        if draft.status != "in_review" or version != draft.seen or self.parent_ended(draft):
            return False
        humans = self.humans(actor, behalf)
        mine = self.mine(draft, actor, behalf)
        fresh = [each for each in mine if not self.signed_by(draft, each[0], humans)]
        if not fresh:
            return False
        stage = fresh[0][0]
        part = f"stage:{stage}"
        if self.bars(draft.roots_parts, humans, part):
            return False
        signed = {key: list(people) for key, people in draft.signed.items()}
        signed.setdefault(stage, []).append(humans)
        parts = [*draft.roots_parts, (humans, part)]
        if not self.staffed(draft, signed, parts) and self.staffed(draft, draft.signed, draft.roots_parts):
            return False
        done = all(len(signed.get(each[0], ())) >= each[2] for each in draft.path[draft.step])
        last = done and draft.step + 1 == len(draft.path)
        if last and not self.adoptable(draft):
            return False
        draft.signed = signed
        draft.roots_parts.append((humans, part))
        self.note(draft)
        if last:
            self.adopt(draft)
        elif done:
            draft.step, draft.opened = draft.step + 1, self.day
            self.note(draft)
        return True

    def parent_ended(self, draft):
        return bool(draft.parent) and self.drafts[draft.parent].status in FINAL

    def adoptable(self, draft):
        if draft.parent and not self.fits(self.drafts[draft.parent], draft.amounts, draft.unit_of):
            return False
        return self.budget_allows(draft.amounts, draft.unit_of)

    def adopt(self, draft):
        self.note(draft)
        if not draft.parent:
            draft.status = "approved"
            return
        draft.status = "closed"
        parent = self.drafts[draft.parent]
        for cell, amount in draft.amounts.items():
            parent.added[cell] = parent.added.get(cell, 0) + amount
            parent.unit_of.setdefault(cell, draft.unit_of[cell])
        parent.status = self.status(parent)
        self.note(parent)

    def do_breakglass(self, draft, name, actor, behalf, version):
        humans = self.humans(actor, behalf)
        if draft.status != "in_review" or version != draft.seen or self.parent_ended(draft):
            return False
        if not self.holds(actor, behalf, "emergency", self.unit(draft)) or self.bars(
            draft.roots_parts, humans, "emergency"
        ):
            return False
        if not draft.touched:
            draft.touched = humans
        else:
            if draft.touched & humans or not self.adoptable(draft):
                return False
            self.adopt(draft)
        draft.roots_parts.append((humans, "emergency"))
        self.note(draft)
        return True

    def against(self, draft, actor, behalf, status):
        if draft.status != "in_review":
            return False
        humans, mine = self.humans(actor, behalf), self.mine(draft, actor, behalf)
        fresh = [each for each in mine if not self.signed_by(draft, each[0], humans)]
        if not mine:
            return False
        part = "stage:" + (fresh or mine)[0][0]
        if self.bars(draft.roots_parts, humans, part):
            return False
        draft.roots_parts.append((humans, part))
        draft.status = status
        self.note(draft)
        return True

    def do_reject(self, draft, name, actor, behalf):
        return self.against(draft, actor, behalf, "rejected")

    def do_return(self, draft, name, actor, behalf):
        return self.against(draft, actor, behalf, "returned")

    def do_recall(self, draft, name, actor, behalf):
        if draft.status not in OPEN or draft.owner != (behalf or actor):
            return False
        draft.status = "recalled"
        self.note(draft)
        return True

    def do_escalate(self, draft, name, actor, behalf, stage):
        if draft.status != "in_review" or stage not in [each[0] for each in self.stages_open(draft)]:
            return False
        if stage != "head" or stage in draft.escalated or self.day <= draft.opened + DAYS["head"]:
            return False
        draft.escalated.add(stage)
        self.note(draft)
        return True

    def guards(self, draft, actor, behalf):
        roles = {role for step in draft.path for _, role, _ in step} | {"treasurer", "controller"}
        return any(self.holds(actor, behalf, role, self.unit(draft)) for role in roles)

    def do_hold(self, draft, name, actor, behalf):
        if draft.status not in {"in_review", *WITH_MONEY} or not self.guards(draft, actor, behalf):
            return False
        draft.before_hold, draft.status = draft.status, "held"
        self.note(draft)
        return True

    def do_resume(self, draft, name, actor, behalf):
        if draft.status != "held" or not self.guards(draft, actor, behalf):
            return False
        draft.status, draft.before_hold = draft.before_hold, ""
        self.note(draft)
        return True

    def spend(self, draft, actor, behalf, moves):
        for cell, source, target, amount in moves:
            for place, sign in ((source, -1), (target, 1)):
                if place != "reserved":
                    there = getattr(draft, place)
                    there[cell] = there.get(cell, 0) + sign * amount
        draft.roots_parts.append((self.humans(actor, behalf), "release"))
        draft.status = self.status(draft)
        draft.reconciled = False
        self.note(draft)

    def may_spend(self, draft, actor, behalf):
        humans = self.humans(actor, behalf)
        if not self.holds(actor, behalf, "treasurer", self.unit(draft)) or self.bars(
            draft.roots_parts, humans, "release"
        ):
            return False
        parts = [*draft.roots_parts, (humans, "release")]
        return bool(self.reconcilers(draft, parts)) or not self.reconcilers(draft, draft.roots_parts)

    def reconcilers(self, draft, parts):
        return {
            person
            for person in ROLES
            if self.holds(person, "", "controller", self.unit(draft))
            and not self.bars(parts, frozenset({person}), "reconcile")
        }

    def do_release(self, draft, name, actor, behalf, amounts):
        if draft.status not in ("approved", "part_released") or not self.may_spend(draft, actor, behalf):
            return False
        left = draft.left()
        amounts = dict(amounts) or {cell: amount for cell, amount in left.items() if amount > 0}
        if not amounts or any(amount <= 0 or amount > left.get(cell, 0) for cell, amount in amounts.items()):
            return False
        if not self.cash_allows(amounts):
            return False
        moves = [(cell, "reserved", "released", amount) for cell, amount in amounts.items()]
        self.spend(draft, actor, behalf, moves)
        draft.moves[draft.events] = moves
        return True

    def do_commit(self, draft, name, actor, behalf, amounts):
        if draft.status not in ("part_released", "released") or not self.may_spend(draft, actor, behalf):
            return False
        if not amounts or any(amount <= 0 or amount > draft.released.get(cell, 0) for cell, amount in amounts.items()):
            return False
        moves = [(cell, "released", "committed", amount) for cell, amount in amounts.items()]
        self.spend(draft, actor, behalf, moves)
        draft.moves[draft.events] = moves
        return True

    def do_recordactual(self, draft, name, actor, behalf, amounts):
        if draft.status not in ("part_released", "released") or not self.may_spend(draft, actor, behalf):
            return False
        moves = []
        for cell, amount in amounts.items():
            committed = draft.committed.get(cell, 0)
            if amount <= 0 or amount > committed + draft.released.get(cell, 0):
                return False
            moves.append((cell, "committed", "actual", min(amount, committed)))
            moves.append((cell, "released", "actual", amount - min(amount, committed)))
        if not moves:
            return False
        self.spend(draft, actor, behalf, moves)
        draft.moves[draft.events] = moves
        return True

    def do_reverse(self, draft, name, actor, behalf, event):
        if draft.status not in ("part_released", "released") or event not in draft.moves:
            return False
        if not self.may_spend(draft, actor, behalf):
            return False
        back = [(cell, target, source, amount) for cell, source, target, amount in draft.moves[event]]
        needs = {}
        for cell, source, target, amount in back:
            needs[cell, source] = needs.get((cell, source), 0) + amount
            needs[cell, target] = needs.get((cell, target), 0) - amount
        if any(
            getattr(draft, place).get(cell, 0) < need for (cell, place), need in needs.items() if place != "reserved"
        ):
            return False
        del draft.moves[event]
        self.spend(draft, actor, behalf, back)
        return True

    def do_reconcile(self, draft, name, actor, behalf, totals):
        if draft.status not in ("part_released", "released"):
            return False
        humans = self.humans(actor, behalf)
        if not self.holds(actor, behalf, "controller", self.unit(draft)) or self.bars(
            draft.roots_parts, humans, "reconcile"
        ):
            return False
        for period in {*totals, *self.PERIODS}:
            spent = sum(amount for cell, amount in draft.actual.items() if cell[0] == period)
            if spent != totals.get(period, 0):
                return False
        draft.roots_parts.append((humans, "reconcile"))
        draft.reconciled = True
        self.note(draft)
        return True

    def do_close(self, draft, name, actor, behalf):
        if draft.status not in WITH_MONEY:
            return False
        unit = self.unit(draft)
        if draft.owner != (behalf or actor) and not any(
            self.holds(actor, behalf, role, unit) for role in ("treasurer", "controller")
        ):
            return False
        if any(other.parent == name and other.status in ("in_review", "held") for other in self.drafts.values()):
            return False  # It would ask for money that is not there any more.
        if any(draft.committed.values()) or (any(draft.actual.values()) and not draft.reconciled):
            return False
        draft.status = "closed"
        self.note(draft)
        return True

    def do_expire(self, draft, name, actor, behalf):
        if draft.status not in {*OPEN, "approved"} or draft.expires < 0 or self.day <= draft.expires:
            return False
        draft.status = "expired"
        self.note(draft)
        return True

    def do_comment(self, draft, name, actor, behalf):
        self.note(draft)
        return True
