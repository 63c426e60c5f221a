"""Values of a file with the place where they stand, read with a sentence for everything that is not as it must be."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_KINDS = (
    (bool, "yes or no"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a table of keys"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a file.

    Attributes:
        value: None, bool, int, float, text, a list of fields, or a dict of fields by key.
        line: On which it begins, from 1.
        name: Keys and numbers that lead to it, as ``rules 2, when, amount``; empty at the top.
    """

    value: Any
    line: int
    name: str = ""

    @property
    def shown(self) -> str:
        """For faults: the value itself where it is short, else what kind it is."""
        kind = next((words for type_, words in _KINDS if isinstance(self.value, type_)), "nothing")
        plain = isinstance(self.value, str | int | float)
        return repr(self.value) if plain and len(repr(self.value)) < 40 else kind


@dataclass(slots=True)
class Reader:
    """Takes fields for what they must be. A fault is noted, and something harmless given in its place.

    Attributes:
        faults: So far, each with its line.
    """

    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, at: Field, sentence: str) -> None:
        """Note a fault."""
        place = f"line {at.line}, {at.name}" if at.name else f"line {at.line}"
        self.faults.append((at.line, f"{place}: {sentence}"))

    def told(self) -> list[str]:
        """Faults as they stand in the file, those of a part that is used again through an alias once."""
        return [sentence for _, sentence in sorted(dict.fromkeys(self.faults), key=lambda fault: fault[0])]

    def wrong(self, at: Field, wanted: str) -> None:
        """Note that something else was wanted."""
        self.fault(at, f"it must be {wanted}, not {at.shown}.")

    def table(self, at: Field, needed: Sequence[str], allowed: Sequence[str] = ()) -> dict[str, Field]:
        """Fields by key; what is needed and missing, or not allowed, is a fault."""
        known = (*needed, *allowed)
        found = self.mapping(at)
        for key, value in found.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
                self.fault(value, f"the key {key!r} is unknown; {hint}")
        if isinstance(at.value, dict):
            missing = [key for key in needed if key not in found]
            if missing:
                self.fault(at, f"{' and '.join(missing)} must stand here.")
        return {key: value for key, value in found.items() if key in known}

    def mapping(self, at: Field) -> dict[str, Field]:
        """Fields by any key."""
        if isinstance(at.value, dict):
            return at.value
        self.wrong(at, "a table of keys")
        return {}

    def items(self, at: Field) -> list[Field]:
        """Fields of a list."""
        if isinstance(at.value, list):
            return at.value
        self.wrong(at, "a list")
        return []

    def text(self, at: Field) -> str:
        """Text that says something."""
        if isinstance(at.value, str) and at.value.strip():
            return at.value.strip()
        self.wrong(at, "text" if at.value != "" else "text that is not empty")
        return ""

    def name(self, at: Field) -> str:
        """Text fit for a name."""
        text = self.text(at)
        if text and not _NAME.fullmatch(text):
            self.wrong(at, "a name of letters, digits, _ . and -")
            return ""
        return text

    def names(self, at: Field) -> tuple[str, ...]:
        """Text, or a list of text, each once."""
        if isinstance(at.value, str):
            return (self.text(at),)
        found = tuple(self.text(item) for item in self.items(at))
        if at.value == []:
            self.wrong(at, "at least one name; leave it out for all")
        return tuple(dict.fromkeys(found))

    def whole(self, at: Field, otherwise: int) -> int:
        """A whole number."""
        if isinstance(at.value, int) and not isinstance(at.value, bool):
            return at.value
        self.wrong(at, "a whole number")
        return otherwise

    def flag(self, at: Field) -> bool:
        """True or false."""
        if not isinstance(at.value, bool):
            self.wrong(at, "true or false")
        return at.value is True

    def number(self, at: Field) -> float | None:
        """A finite number, written as one or as text; None where it is none."""
        if isinstance(at.value, int | float | str) and not isinstance(at.value, bool):
            try:
                number = float(at.value)
            except (ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                return number + 0.0  # -0.0 is 0.0.
        self.wrong(at, "a number such as 0.1 for ten per cent")
        return None
