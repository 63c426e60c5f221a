"""The problem: facts, rules and what is to be maximised, as immutable data (§1)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from fiscus.core.facts import Facts
from fiscus.core.risk import RiskAversion
from fiscus.core.rules import Rule
from fiscus.core.statement import Statement, state

Method = Literal["optimise", "top_down", "bottom_up", "hybrid", "incremental", "zero_based"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """What the planning methods may be told; None lets them choose.

    Attributes:
        growth: Incremental: growth over last year a period, as a fraction; None scales last year to the budget.
        cut: Bottom-up: how asks are cut, by ``priority``, ``pro_rata`` or ``value``.
        target_weight: Hybrid: value lost per unit of money above a target.
        ask_weight: Hybrid: value lost per unit of money asked for and not given.
    """

    growth: float | None = None
    cut: Literal["priority", "pro_rata", "value"] = "priority"
    target_weight: float | None = None
    ask_weight: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(Facts):
    """One allocation problem.

    Attributes:
        rules: What people wrote; the caps and floors of the tables are stated besides.
        method: How the plan is to be made (§4, methods).
        risk: Aversion to risk; None values the mean.
        options: Of the methods.
    """

    rules: tuple[Rule, ...] = ()
    method: Method = "optimise"
    risk: RiskAversion | None = None
    options: MethodOptions = MethodOptions()

    @cached_property
    def statement(self) -> Statement:
        """All rules as rows.

        Raises:
            InvalidRule: For a rule that cannot be stated.
        """
        return state(self, self.rules)

    def but(self, **changes: Any) -> Problem:
        """The same problem with some fields changed."""
        return dataclasses.replace(self, **changes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that makes the problem, as hex."""
        content = _plain({item.name: getattr(self, item.name) for item in dataclasses.fields(self)})
        return _sha256(content)

    @cached_property
    def rules_digest(self) -> str:
        """SHA-256 of the rules alone, as hex."""
        return _sha256(_plain(self.rules))


def _sha256(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Plain data with the same content; floats by their exact hexadecimal form, so that no digit is lost."""
    if isinstance(value, Rule):
        return {"kind": value.kind, **value.model_dump(mode="json")}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        flat = np.ascontiguousarray(value)
        return {"shape": list(value.shape), "type": flat.dtype.str, "bytes": hashlib.sha256(flat.tobytes()).hexdigest()}
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value).hex()
    return value
