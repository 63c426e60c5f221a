"""Metadata that a model field carries about itself, and from which templates, help and the reader are made (§3, style 6)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

Kind = Literal["id", "text", "money", "number", "fraction", "whole", "flag", "choice", "points"]


@dataclass(frozen=True, slots=True)
class Column:
    """What a table's column means.

    Attributes:
        kind: How a cell is read: ``money`` and ``number`` are numbers, ``fraction`` is never a percent (§3.5).
        help: One sentence for people.
        unit: Unit of measure, empty for text.
        default: Value of an empty cell; None where the column must be filled; ``"none"`` where empty means there is none.
        per_period: Whether ``column@PERIOD`` overrides the value in one period.
        minimum: Smallest value allowed.
        below: Value that must not be reached, None for no such limit.
        choices: For ``choice``: the words allowed.
    """

    kind: Kind
    help: str
    unit: str = ""
    default: Any = None
    per_period: bool = False
    minimum: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()


def column(kind: Kind, text: str, **settings: Any) -> Any:
    """A dataclass field that is a table's column."""
    return field(metadata={"column": Column(kind, text, **settings)})


def described(text: str) -> Any:
    """A dataclass field that several columns make up together."""
    return field(metadata={"help": text})


def columns_of(model: type) -> dict[str, Column]:
    """The table columns a dataclass declares, in order."""
    return {item.name: item.metadata["column"] for item in fields(model) if "column" in item.metadata}
