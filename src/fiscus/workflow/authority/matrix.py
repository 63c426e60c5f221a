"""An authority matrix: conditions, and the stages that a proposal passes where they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, TypeVar

from fiscus.errors import InvalidMatrix
from fiscus.workflow.authority.conditions import Condition
from fiscus.workflow.canonical import digest
from fiscus.workflow.once import once

CONTROLS = ("hard", "soft")
"""Whether what exceeds the budget is refused, or only said."""
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Stage:
    """People who must approve.

    Attributes:
        name: Once in a path.
        role: Whose holders approve.
        unit: Where they must hold it: the unit of the proposal; empty in a matrix, which knows none.
        need: Distinct people who must approve.
        of: Holders whom there must be at least.
        days: Time for it; 0 for as long as it takes.
        escalate: Role whose holders may approve too once it is overdue; empty for none.
        signature: Whether approvals must be signed.
    """

    name: str
    role: str
    unit: str = ""
    need: int = 1
    of: int = 1
    days: int = 0
    escalate: str = ""
    signature: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return dict(zip(self.__slots__, _values_of_stage(self), strict=True))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Stage:
        """What ``to_json`` wrote."""
        return cls(**{name: document[name] for name in cls.__slots__})


_values_of_stage = attrgetter(*Stage.__slots__)

Steps = tuple[tuple[Stage, ...], ...]
"""Stages of one step are passed side by side, steps one after another."""


@dataclass(frozen=True, slots=True)
class Path:
    """What a proposal must pass.

    Attributes:
        rule: That says so.
        steps: Stages.
        release_role: Whose holders release the money.
        reconcile_role: Whose holders reconcile it with what was spent.
    """

    rule: str
    steps: Steps
    release_role: str
    reconcile_role: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rule": self.rule,
            "steps": _steps_to_json(self.steps),
            "release_role": self.release_role,
            "reconcile_role": self.reconcile_role,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Path:
        """What ``to_json`` wrote.

        Raises:
            InvalidMatrix: Where it is something else.
        """
        return _read(
            "path",
            lambda: cls(
                document["rule"],
                _steps_from_json(document["steps"]),
                document["release_role"],
                document["reconcile_role"],
            ),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the matrix.

    Attributes:
        id: Its name.
        when: Proposals that it takes.
        steps: Stages that they pass.
        release: Role that releases.
        reconcile: Role that reconciles.
    """

    id: str
    when: Condition
    steps: Steps
    release: str
    reconcile: str

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in order."""
        return tuple(stage for step in self.steps for stage in step)

    def path(self, unit: str) -> Path:
        """What a proposal of a unit must pass."""
        steps = tuple(tuple(replace(stage, unit=unit) for stage in step) for step in self.steps)
        return Path(self.id, steps, self.release, self.reconcile)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "when": self.when.to_json(),
            "steps": _steps_to_json(self.steps),
            "release": self.release,
            "reconcile": self.reconcile,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rule:
        """What ``to_json`` wrote."""
        when, steps = Condition.from_json(document["when"]), _steps_from_json(document["steps"])
        return cls(document["id"], when, steps, document["release"], document["reconcile"])


Pair = tuple[str, str]
"""Two roles, in order of the alphabet."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What one person must not be, beyond what holds everywhere.

    Attributes:
        exclusive: Roles that nobody may hold both of.
        session: Roles that nobody may act in both of during one session.
        emergency: Role of which two holders together break the glass; empty where there is none.
    """

    exclusive: tuple[Pair, ...] = ()
    session: tuple[Pair, ...] = ()
    emergency: str = ""


@dataclass(frozen=True)
class Matrix:
    """Who has to approve what.

    Attributes:
        name: Its name.
        currency: ISO 4217 code.
        about: A sentence, and the source.
        roles: Title by role.
        rolling_days: Proposals of the same owner on the same lines within so many days count together.
        risk_bands: Lowest first; empty where risk does not matter.
        units: Subtrees that rules tell apart.
        rules: Exactly one takes each proposal.
        duties: Rules about people.
        control: One of ``CONTROLS``.
    """

    name: str
    currency: str
    about: str
    roles: Mapping[str, str]
    rolling_days: int
    risk_bands: tuple[str, ...]
    units: tuple[str, ...]
    rules: tuple[Rule, ...]
    duties: Duties = field(default_factory=Duties)
    control: str = "hard"

    @once
    def digest(self) -> str:
        """What a store keeps it by."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As JSON, the same for the same matrix."""
        return {
            "name": self.name,
            "currency": self.currency,
            "about": self.about,
            "roles": dict(self.roles),
            "rolling_days": self.rolling_days,
            "risk_bands": list(self.risk_bands),
            "units": list(self.units),
            "rules": [rule.to_json() for rule in self.rules],
            "duties": {
                "exclusive": [list(pair) for pair in self.duties.exclusive],
                "session": [list(pair) for pair in self.duties.session],
                "emergency": self.duties.emergency,
            },
            "control": self.control,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Matrix:
        """What ``to_json`` wrote.

        Raises:
            InvalidMatrix: Where it is something else. Gaps and overlaps are not looked for.
        """
        return _read("authority matrix", lambda: _matrix_from_json(document))


def _matrix_from_json(document: Mapping[str, Any]) -> Matrix:
    duties = document["duties"]
    exclusive, session = (tuple((first, second) for first, second in duties[name]) for name in ("exclusive", "session"))
    return Matrix(
        document["name"],
        document["currency"],
        document["about"],
        dict(document["roles"]),
        document["rolling_days"],
        tuple(document["risk_bands"]),
        tuple(document["units"]),
        tuple(Rule.from_json(rule) for rule in document["rules"]),
        Duties(exclusive, session, duties["emergency"]),
        document["control"],
    )


def _steps_to_json(steps: Steps) -> list[list[dict[str, Any]]]:
    return [[stage.to_json() for stage in step] for step in steps]


def _steps_from_json(document: Sequence[Sequence[Mapping[str, Any]]]) -> Steps:
    return tuple(tuple(Stage.from_json(stage) for stage in step) for step in document)


def _read(what: str, read: Callable[[], Read]) -> Read:
    """What a reader makes of JSON, its complaints about other JSON as ours."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidMatrix([f"this document is no {what} as it was written: {error!r}."]) from error
