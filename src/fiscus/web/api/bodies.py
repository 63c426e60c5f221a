"""What programs send and get. Money is in minor units, moments are RFC 3339."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import LARGEST, Content
from fiscus.workflow.proposal.content import Item as Line

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\x00-\x1f\x7f]+$")]
Words = Annotated[str, Field(max_length=4_000, pattern=r"^[^\x00]*$")]
Short = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Amount = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Paid = Annotated[int, Field(ge=1, le=LARGEST)]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime.fromisoformat("2000-01-01T00:00:00Z"), le=datetime.fromisoformat("2999-12-31T00:00:00Z")),
]


class Body(BaseModel):
    """Anything sent: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=False)


class Item(Body):
    """Money of a line in a period."""

    period: Name
    line: Name
    unit: Name
    fund: Name = "general"
    amount: Amount
    prior: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    title: Short = ""


class Version(Body):
    """A version of a proposal that people wrote; what a solve proposes comes from ``fiscus propose``."""

    title: Short
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    items: Annotated[list[Item], Field(min_length=1, max_length=20_000)]
    risk: Short = ""
    justification: Words = ""

    def content(self, parent: str = "") -> Content:
        """As the workflow has it."""
        items = tuple(Line(**item.model_dump()) for item in self.items)
        return Content(self.title, self.currency, items, "manual", self.risk, self.justification, parent)


class Draft(Version):
    """A new proposal."""

    id: Name
    supersedes: Short = ""
    parent: Short = ""


class Behalf(Body):
    """What every command may say."""

    behalf: Short = ""
    key: Annotated[str, Field(max_length=100, pattern=r"^[!-~]*$")] = ""


class Reasoned(Behalf):
    """A command with a reason."""

    reason: Words = ""


class Submit(Behalf):
    """Into review."""

    expires: Moment | None = None


class Approve(Behalf):
    """Sign what was seen: ``hash`` as the proposal showed it."""

    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    stage: Short = ""
    signature: Annotated[str, Field(pattern="^([0-9a-f]{128})?$")] = ""
    comment: Words = ""


class Break(Reasoned):
    """Break the glass."""

    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Escalate(Behalf):
    """An overdue stage."""

    stage: Name


class Comment(Behalf):
    """Say something."""

    text: Words


class Part(Body):
    """An amount of a line."""

    period: Name
    line: Name
    amount: Paid


def by_cell(parts: list[Part]) -> dict[tuple[str, str], int]:
    """Amounts by period and line; those of one line add up."""
    found: dict[tuple[str, str], int] = {}
    for part in parts:
        found[part.period, part.line] = found.get((part.period, part.line), 0) + part.amount
    return found


class Release(Behalf):
    """All that is left where no amounts are given."""

    amounts: Annotated[list[Part], Field(max_length=20_000, default_factory=list)]


class Booked(Behalf):
    """An order or a payment."""

    amounts: Annotated[list[Part], Field(min_length=1, max_length=20_000)]
    reference: Short


class Reverse(Reasoned):
    """Undo a movement, by the number of its event in the proposal."""

    version: Annotated[int, Field(ge=1, le=2**31)]


class Reconcile(Behalf):
    """What was spent by the books of the outside."""

    totals: Mapping[Name, Annotated[int, Field(ge=0, le=LARGEST)]]
    reference: Short


class Answer(BaseModel):
    """What came of a command."""

    stream: str
    version: int
    status: str
    events: list[str]
    repeated: bool


class Row(BaseModel):
    """A proposal in a list."""

    id: str
    title: str
    amount: int
    currency: str
    status: str
    owner: str
    waits_for: str
    due: str
    overdue: bool


class Rows(BaseModel):
    """A page of a list."""

    count: int
    rows: list[Row]


class Proposal(BaseModel):
    """A proposal as it stands; ``content`` is its current version."""

    id: str
    status: str
    owner: str
    unit: str
    hash: str
    policy: str
    rule: str
    total: int
    submitted: str
    path: list[list[dict[str, Any]]]
    step: int
    approvals: list[dict[str, Any]]
    places: list[list[Any]]
    content: dict[str, Any]
    sentences: list[str]
    steps: list[str]


class ChangedLine(BaseModel):
    """A line of two versions, minor units; null where a version does not have it."""

    period: str
    line: str
    title: str
    before: int | None
    after: int | None
    other: str


class Changed(BaseModel):
    """A rule, a method or words of two versions."""

    name: str
    before: str
    after: str


class Compared(BaseModel):
    """What two versions do not have in common; ``same`` counts lines that they do."""

    first: int
    second: int
    before: int
    after: int
    same: int
    lines: list[ChangedLine]
    fields: list[Changed]


class Event(BaseModel):
    """An event of the log."""

    seq: int
    stream: str
    version: int
    kind: str
    at: str
    actor: str
    behalf: str
    data: dict[str, Any]
    hash: str


class Balance(BaseModel):
    """Money of an account, minor units."""

    book: str
    period: str
    fund: str
    bucket: str
    amount: int


class Head(BaseModel):
    """The end of the log."""

    size: int
    hash: str
    root: str


class Verified(BaseModel):
    """What was found when the log was read again."""

    sentences: list[str]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    rule: str | None = None


MAKERS: Mapping[type[Behalf], Any] = {
    Submit: lambda name, body: do.Submit(name, body.expires),
    Approve: lambda name, body: do.Approve(name, body.hash, body.stage, body.signature, body.comment),
    Break: lambda name, body: do.BreakGlass(name, body.hash, body.reason),
    Escalate: lambda name, body: do.Escalate(name, body.stage),
    Comment: lambda name, body: do.Comment(name, body.text),
    Release: lambda name, body: do.Release(name, by_cell(body.amounts)),
    Reverse: lambda name, body: do.Reverse(name, body.version, body.reason),
    Reconcile: lambda name, body: do.Reconcile(name, dict(body.totals), body.reference),
}
"""Commands by their body, where that says which one it is."""
