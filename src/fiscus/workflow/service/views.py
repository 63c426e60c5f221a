"""What people look at: an inbox, and a proposal with everything that a decision rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from fiscus.core.money import currency as unit
from fiscus.core.money import format_amount, how_many, percent
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.canonical import moment, timestamp
from fiscus.workflow.duties.history import Act, barred
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Filter, Reader, Record
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.proposal.reviewing import due_of
from fiscus.workflow.proposal.state import Approval, Proposal
from fiscus.workflow.proposal.transitions import IN_REVIEW, OPEN, WITH_MONEY
from fiscus.workflow.service import reading

NOTHING = 1e-6
"""Gap that is rounding."""

MOST_PLACES = 1_000
"""Roles and units that one question to the store names."""


@dataclass(frozen=True, slots=True)
class Row:
    """A proposal in a list.

    Attributes:
        id: Its id.
        title: For people.
        amount: Minor units.
        currency: ISO 4217 code.
        status: Of the proposal.
        owner: Who drafted it.
        waits_for: Roles, in words.
        due: When the next deadline is; empty for none.
        overdue: Whether it is over.
    """

    id: str
    title: str
    amount: int
    currency: str
    status: str
    owner: str
    waits_for: str
    due: str
    overdue: bool

    @property
    def due_words(self) -> str:
        """The day, and whether it is over."""
        return f"{self.due[:10]}{' (overdue)' if self.overdue else ''}"

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def inbox(reader: Reader, person: str, at: datetime, *, mine: bool = True) -> tuple[Row, ...]:
    """What is open: that which waits for a person, or all of it.

    Args:
        reader: Of the store.
        person: Whose inbox.
        at: Now.
        mine: Only what this person may decide or release now, themselves or for those who delegated to them.
    """
    registry = reading.registry(reader)
    if not mine:
        return tuple(_row(record, at) for record in reader.find(Filter(kind="proposal", status=OPEN)))
    places = places_of(registry, person, at)
    if not places:
        return ()
    found = reader.find(Filter(kind="proposal", waiting=places))
    return tuple(_row(record, at) for record in found if _for(record, registry, person, at))


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list.

    Attributes:
        rows: That are on it.
        more: Whether there is a page after it.
    """

    rows: tuple[Row, ...]
    more: bool = False


def listed(
    reader: Reader,
    registry: Registry,
    person: str,
    at: datetime,
    which: str,
    *,
    text: str = "",
    limit: int = 50,
    offset: int = 0,
) -> Listed:
    """A page of proposals.

    Args:
        reader: Of the store.
        registry: Of people.
        person: Who looks.
        at: Now.
        which: ``mine`` waits for them; ``others`` is open and does not; ``overdue`` is late; ``own`` was proposed by them; ``all``.
        text: Part of a title or id.
        limit: Rows on a page.
        offset: Rows on the pages before.
    """
    wanted = _wanted(registry, person, at, which, text)
    if which == "mine" and not wanted.waiting:
        return Listed(())
    if which not in ("mine", "others"):
        found = reader.find(wanted._replace(limit=limit + 1, offset=offset))
        return Listed(tuple(_row(record, at) for record in found[:limit]), len(found) > limit)
    rows: list[Row] = []
    passed, start, size = 0, 0, limit + limit // 4 + 1
    while True:  # Who may sign depends on more than an index knows: they may have done so, and others not yet.
        found = reader.find(wanted._replace(limit=size, offset=start))
        for record in found:
            if _for(record, registry, person, at) == (which == "mine"):
                passed += 1
                if len(rows) == limit:
                    return Listed(tuple(rows), more=True)
                if passed > offset:
                    rows.append(_row(record, at))
        if len(found) < size:
            return Listed(tuple(rows))
        start += size


def counted(reader: Reader, registry: Registry, person: str, at: datetime, which: str, *, text: str = "") -> int:
    """How many the store finds for a list; of those that wait for somebody, some that they signed already may be among them.

    Args:
        reader: Of the store.
        registry: Of people.
        person: Who looks.
        at: Now.
        which: As of ``listed``.
        text: Part of a title or id.
    """
    wanted = _wanted(registry, person, at, which, text)
    return 0 if which == "mine" and not wanted.waiting else reader.count(wanted)


def _wanted(registry: Registry, person: str, at: datetime, which: str, text: str) -> Filter:
    base = Filter(kind="proposal", text=text)
    if which == "mine":
        return base._replace(waiting=places_of(registry, person, at))
    return {
        "others": base._replace(status=OPEN),
        "overdue": base._replace(status=OPEN, overdue=timestamp(at)),
        "own": base._replace(owner=person),
    }.get(which, base)


def places_of(registry: Registry, person: str, at: datetime) -> tuple[tuple[str, str], ...]:
    """Where a person may act, themselves or for others, for a filter; of roles in very many units, all units."""
    places = registry.places(person, at)
    everywhere = {role for role, unit in places if not unit}
    if len(places) > MOST_PLACES:
        everywhere = {role for role, _ in places}
    return tuple(sorted({(role, "") if role in everywhere else (role, unit) for role, unit in places}))


def _for(record: Record, registry: Registry, person: str, at: datetime) -> bool:
    proposal = reading.proposal_of(record)
    return bool(openings(proposal, registry, person, at) or release_capacities(proposal, registry, person, at))


@dataclass(frozen=True, slots=True)
class Opening:
    """A signature that somebody may give.

    Attributes:
        stage: Its name.
        behalf: For whom; empty for themselves.
    """

    stage: str
    behalf: str


def lineage_acts(reader: Reader, proposal: Proposal) -> tuple[Act, ...]:
    """Parts that people had in a proposal and in all others about the same money."""
    return reading.lineage_acts(reader, proposal.lineage)


def openings(
    proposal: Proposal, registry: Registry, person: str, at: datetime, history: Sequence[Act] | None = None
) -> tuple[Opening, ...]:
    """Stages that wait for somebody now, and for whom they could sign without having two parts in it.

    Args:
        proposal: As it stands.
        registry: Of people.
        person: Who would sign.
        at: Now.
        history: Of its lineage; the proposal's own where it is not given, which is what a list can afford.
    """
    account, found = registry.accountable, []
    acts = proposal.acts if history is None else history
    for who in registry.capacities(person, at):
        behalf = "" if who == person else who
        humans = {account(person), account(who)}
        for stage in proposal.open_stages:
            signed = any(
                humans & {account(a.person), account(a.behalf or a.person)} for a in proposal.given(stage.name)
            )
            roles = proposal.roles_of(stage)
            if signed or not any(registry.may(person, behalf, role, proposal.unit, at) for role in roles):
                continue
            if barred(acts, Actor(person, behalf), f"stage:{stage.name}", registry) is None:
                found.append(Opening(stage.name, behalf))
    return tuple(found)


def obstacle(proposal: Proposal, registry: Registry, person: str, at: datetime, history: Sequence[Act]) -> str:
    """Why somebody whose role a stage waits for cannot sign it, in a sentence; empty where there is no such person or reason.

    Args:
        proposal: As it stands.
        registry: Of people.
        person: Who would sign.
        at: Now.
        history: Of its lineage.
    """
    for who in registry.capacities(person, at):
        behalf = "" if who == person else who
        for stage in proposal.open_stages:
            if any(registry.may(person, behalf, role, proposal.unit, at) for role in proposal.roles_of(stage)):
                refused = barred(history, Actor(person, behalf), f"stage:{stage.name}", registry)
                if refused:
                    return refused.reason
    return ""


def release_capacities(
    proposal: Proposal, registry: Registry, person: str, at: datetime, history: Sequence[Act] | None = None
) -> tuple[str, ...]:
    """For whom somebody could release money of a proposal now, empty for themselves; arguments as of ``openings``."""
    if proposal.status not in WITH_MONEY[:2]:
        return ()
    capacities = ("" if who == person else who for who in registry.capacities(person, at))
    acts = proposal.acts if history is None else history
    return tuple(
        who
        for who in capacities
        if registry.may(person, who, proposal.release_role, proposal.unit, at)
        and barred(acts, Actor(person, who), "release", registry) is None
    )


def _row(record: Record, at: datetime) -> Row:
    proposal, index = reading.proposal_of(record), record.index
    waits = ", ".join(sorted({role for role, _ in index.waiting}))
    overdue = bool(index.due) and index.due < timestamp(at)
    return Row(
        proposal.id,
        proposal.title,
        proposal.total,
        proposal.currency,
        proposal.status,
        proposal.owner,
        waits,
        index.due,
        overdue,
    )


@dataclass(frozen=True, eq=False)
class View:
    """A proposal as people see it.

    Attributes:
        proposal: As it stands.
        content: Its current version.
        matrix: Under which it was submitted; None before.
        at: When it was looked at.
    """

    proposal: Proposal
    content: Content
    matrix: Matrix | None
    at: datetime

    @property
    def currency(self) -> str:
        """ISO 4217 code."""
        return self.proposal.currency

    @property
    def hash(self) -> str:
        """What an approver signs; empty before it is submitted."""
        return self.proposal.hash

    @property
    def largest(self) -> Sequence[Item]:
        """Its lines, the largest changes against last year first."""
        return sorted(self.content.items, key=lambda item: (-abs(item.amount - (item.prior or 0)), item.line))

    @property
    def titles(self) -> dict[str, str]:
        """What people call each stage: its role's title."""
        known = self.matrix.roles if self.matrix else {}
        return {stage.name: known.get(stage.role, stage.name) for stage in self.proposal.stages}

    @property
    def sentences(self) -> list[str]:
        """What it is about, how good the plan is said to be, and why."""
        proposal, content = self.proposal, self.content
        whole = self._money(content.total)
        change = content.change
        against = "" if change is None else f", {_signed(change)} against last year's {self._money(content.prior or 0)}"
        status = proposal.status.replace("_", " ")
        kind = f"moves money of {proposal.parent}" if proposal.parent else f"{proposal.currency} {whole}{against}"
        size = f"{how_many(len(content.items), 'line')} of {how_many(len(content.units), 'unit')}"
        found = [f"{proposal.id}: {proposal.title}. {kind}; {size}. It is {status}; {proposal.owner} proposed it."]
        if content.justification:
            found.append(f"Why: {content.justification}")
        return found + self._evidence()

    def _evidence(self) -> list[str]:
        evidence = self.content.evidence
        if not evidence:
            return [f"The amounts are {self.content.origin}: nothing was computed about them."]
        if "carried" in evidence:
            return [by_hand(evidence["carried"])]
        proof = evidence.get("proof") or {}
        gap = proof.get("proved_gap")
        words = {
            "proved": f"no plan is worth {f'over {percent(gap)} ' if gap and gap > NOTHING else ''}more, and that is proved",
            "reported": "no plan is worth more by the solver's word, which nothing here proves",
        }.get(str(proof.get("status")), "how far it is from the best plan is not known")
        origin = "a learned policy" if self.content.origin == "learned" else f"method {evidence.get('method')}"
        return [
            f"Made by {origin}; {words}. Problem {str((evidence.get('digests') or {}).get('problem', ''))[:12]}.",
            *(str(each) for each in list(evidence.get("changes", ()))[:3]),
        ]

    @property
    def steps(self) -> list[str]:
        """The path so far and what comes next, in sentences."""
        proposal = self.proposal
        if not proposal.path:
            return ["It was not submitted yet."]
        found = [
            f"Rule {proposal.rule} of the authority matrix decides ({self._money(proposal.amount)}{self._together})."
        ]
        for position, step in enumerate(proposal.path):
            for stage in step:
                given = proposal.given(stage.name)
                title = self.matrix.roles.get(stage.role, stage.role) if self.matrix else stage.role
                done = _done(proposal, given)
                waits = ""
                if proposal.status == IN_REVIEW and position == proposal.step and len(given) < stage.need:
                    due = due_of(proposal, stage)
                    late = " and overdue" if due and due < timestamp(self.at) else ""
                    waits = f"; waits now{f', due {due[:10]}{late}' if due else ''}"
                found.append(f"{stage.name} ({title}), {stage.need} of {stage.of}: {done}{waits}.")
        return found

    @property
    def _together(self) -> str:
        """What else counts into the amount that the rule was chosen by; empty where nothing does."""
        proposal = self.proposal
        if not self.matrix or proposal.amount <= proposal.total:
            return ""
        return (
            f": {self._money(proposal.total)} of this one, counted together with what {proposal.owner} proposed for the same lines in "
            f"the last {self.matrix.rolling_days} days"
        )

    def _money(self, minor: int) -> str:
        return format_amount(minor, unit(self.currency))

    def to_json(self) -> dict[str, Any]:
        """As JSON, for programs."""
        proposal = self.proposal
        return {
            "id": proposal.id,
            "status": proposal.status,
            "owner": proposal.owner,
            "unit": proposal.unit,
            "hash": proposal.hash,
            "policy": proposal.policy,
            "rule": proposal.rule,
            "total": proposal.total,
            "submitted": proposal.submitted,
            "path": [[stage.to_json() for stage in step] for step in proposal.path],
            "step": proposal.step,
            "approvals": [approval._asdict() for approval in proposal.approvals],
            "places": [[*cell, *there] for cell, there in sorted(proposal.places.items())],
            "content": self.content.document,
        }


def view(reader: Reader, name: str, at: datetime) -> View:
    """A proposal by its id.

    Raises:
        Refused: Where there is none.
    """
    proposal = reading.known_proposal(reader, name)
    pinned = reading.matrix(reader, proposal.policy) if proposal.policy else None
    return View(proposal, reading.content(reader, proposal.content), pinned, at)


def _done(proposal: Proposal, given: Sequence[Approval]) -> str:
    """Who signed a stage; who broke the glass for it did not sign it, and perhaps had no right to."""
    signed = [each for each in given if not each.emergency]
    broke = [each for each in given if each.emergency]
    words = f"signed by {', '.join(_who(each.person, each.behalf) for each in signed)}" if signed else "nobody signed"
    if not broke:
        return words
    first, second = _who(*proposal.broken), _who(broke[0].person, broke[0].behalf)
    return f"{words}; passed by an emergency and not by its role: {first} and {second} broke the glass"


def _who(person: str, behalf: str) -> str:
    return person + (f" for {behalf}" if behalf else "")


def by_hand(carried: Mapping[str, Any]) -> str:
    """What of a solve does not hold any more where people changed amounts after it."""
    changed, number = len(carried["changed"]), carried["version"]
    if not changed:
        return f"Something beside the amounts was changed by hand; what was proved was proved for version {number}."
    return (
        f"{changed} of {carried['of']} amounts {'was' if changed == 1 else 'were'} changed by hand after the solve; what was proved was "
        f"proved for version {number}, and nothing is proved about these."
    )


def age(since: str, at: datetime) -> str:
    """How long ago something was, in whole days."""
    days = (at - moment(since)).days
    return "today" if days == 0 else f"{days} day{'s' if days > 1 else ''} ago"


def _signed(change: float) -> str:
    return f"{change:+.1%}".replace("-", "\N{MINUS SIGN}")
