"""The keys of ``plan.yaml`` (§7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fiscus.core.cells import LARGEST_NUMBER, near, short_repr
from fiscus.core.options import Method

Amount = Annotated[float, Field(ge=0)]


def period_names(given: object) -> object:
    """Names of periods: one or many, as text, numbers or dates, in a list or an array; anything else as it is."""
    if isinstance(given, str | int | float | date):
        given = [given]
    elif not isinstance(given, list | tuple) and hasattr(given, "tolist"):
        given = given.tolist()
    if not isinstance(given, list | tuple):
        return given
    return [name if isinstance(name, Mapping | list | tuple | set) or name is None else str(name) for name in given]


def refuse_too_large(value: Any) -> Any:
    """A key's value; a number that is too large to reckon with is an error."""
    for number in value.values() if isinstance(value, dict) else [value]:
        if isinstance(number, float | int) and abs(number) >= LARGEST_NUMBER:
            raise ValueError(f"the largest number is {LARGEST_NUMBER:.3g}")
    return value


class PlanSettings(BaseModel):
    """What a plan says besides its tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("", description="Title of the plan.")
    currency: str = Field("USD", description="ISO 4217 code of every amount.")
    periods: tuple[str, ...] = Field(("now",), min_length=1, description="Names of the periods, in order.")
    budget: Amount | dict[str, Amount] | None = Field(
        None, description="Money of each period: one number, or one per period; no limit when null. Major units."
    )
    method: Method = Field("optimise", description="How the plan is made.")
    spend_weight: float = Field(0.0, ge=0, description="0: benefit of a fixed budget; 1: net present value.")
    discount_rate: float = Field(0.0, gt=-1, description="Per period, as a fraction.")
    opening_cash: float | None = Field(
        None,
        ge=0,
        description="Cash before the first period: makes the plan keep a working-capital account. Major units.",
    )
    reserve: Amount | dict[str, Amount] = Field(0.0, description="Cash left at the end of each period. Major units.")
    carry_over: float = Field(
        0.0, ge=0, le=1, description="Fraction of unspent appropriation that survives a period's end."
    )
    cash_rate: float = Field(0.0, ge=0, description="Interest on cash per period, as a fraction.")
    units: str = Field("units.csv", description="Table of units: .csv, .xlsx or .parquet.")
    lines: str = Field("lines.csv", description="Table of lines: .csv, .xlsx or .parquet.")
    rules: str | None = Field(None, description="Rules, a YAML list.")
    scenarios: str | None = Field(None, description="Table of scenarios: scenario, probability, period, line, factor.")
    risk: str | None = Field(
        None, description="Measure of risk to be averse to: cvar:LEVEL, chance:LEVEL, worst or meanvar."
    )
    aversion: float = Field(
        0.0, ge=0, description="Weight of the risk measure in the objective; for meanvar per unit of value."
    )
    growth: float | None = Field(
        None,
        gt=-1,
        description="Incremental method: growth over last year per period, a fraction; null spends the budget.",
    )
    cut: Literal["priority", "pro_rata", "value"] = Field("priority", description="Bottom-up method: how asks are cut.")
    target_weight: float | None = Field(
        None, ge=0, description="Hybrid method: value lost per unit of money above a target."
    )
    ask_weight: float | None = Field(
        None, ge=0, description="Hybrid method: value lost per unit asked for and not given."
    )

    _size = field_validator("*", mode="after")(refuse_too_large)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flags(cls, value: object) -> object:
        # To pydantic a yes is the number 1; no key of a plan is a yes or no.
        if isinstance(value, bool) or (
            isinstance(value, dict) and any(isinstance(each, bool) for each in value.values())
        ):
            raise ValueError("it is yes or no where an amount or a name is expected")
        return value

    @field_validator("periods", mode="before")
    @classmethod
    def _names(cls, periods: object) -> object:
        # YAML reads `periods: [2024, 2025]` as numbers.
        return period_names(periods)

    @field_validator("budget", "reserve", mode="before")
    @classmethod
    def _period_keys(cls, amounts: object) -> object:
        return {str(name): amount for name, amount in amounts.items()} if isinstance(amounts, dict) else amounts

    @field_validator("name", "currency", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def complaints(error: ValidationError, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a pydantic error says, as ``(key, sentence)`` for people.

    Args:
        error: Of a model built from keys that people wrote.
        known: The model's keys.
    """
    said = []
    for each in error.errors():
        path = [
            str(part)
            for part in each["loc"]
            if not str(part).startswith(("function-", "dict[", "constrained", "nullable"))
        ]
        key = ".".join(part for part in path if part not in ("float", "str", "int")) or "(all)"
        said.append((key, _sentence(each, key, known)))
    # A key that may be one of several things is complained of once for each; the first is what was most likely meant.
    first: dict[str, str] = {}
    for key, sentence in said:
        first.setdefault(key, sentence)
    return list(first.items())


def _sentence(each: Any, key: str, known: Mapping[str, Any]) -> str:
    given, kind, limits = short_repr(each.get("input")), each["type"], each.get("ctx", {})
    if kind == "extra_forbidden":
        return f"there is no key {key!r}{near(key, known)}"
    if kind == "missing":
        return f"the key {key!r} is missing"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        limit = next(iter(limits.values()))
        words = {
            "greater_than_equal": "at least",
            "greater_than": "above",
            "less_than_equal": "at most",
            "less_than": "below",
        }
        return f"{given} must be {words[kind]} {limit:g}"
    if kind == "finite_number":
        return f"{given} is not an amount; use null where there is no limit"
    if kind == "literal_error":
        choices = str(limits.get("expected", ""))
        known_words = choices.replace("'", "").replace(" or ", ", ").split(", ")
        return f"{given} is not one of {choices}{near(given.strip(chr(39)), known_words)}"
    if kind.startswith(("float", "int")):
        return f"{given} is not a number; write digits only, without signs or grouping"
    if kind.startswith("bool"):
        return f"{given} is not true or false"
    if kind.startswith("string"):
        return f"{given} is not text" if kind != "string_too_short" else "it must not be empty"
    if kind == "too_short":
        return f"the list must have at least {limits.get('min_length', 1)}"
    if kind.startswith(("tuple", "list")):
        return f"{given} is not a list" if kind.endswith("type") else "the list must not be empty"
    return f"{given} cannot be used: {str(each['msg']).removeprefix('Value error, ').lower()}"
