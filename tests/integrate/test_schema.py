"""Schemas made from the model's metadata accept what the reader accepts and name what it refuses."""

from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from fiscus.errors import InvalidInput
from fiscus.integrate.schema import schema
from fiscus.integrate.shipped import shipped_plans


@pytest.mark.parametrize("plan", shipped_plans().values(), ids=str)
def test_shipped_tables_pass(plan):
    for name in ("units", "lines"):
        frame = pd.read_csv(plan / f"{name}.csv", dtype={"id": str, "unit": str, "parent": str})
        schema(name).validate(frame, lazy=True)


def test_every_fault_is_named():
    frame = pd.DataFrame(
        {"id": ["a", "a"], "unit": ["x", "x"], "ask": [5.0, -1.0], "retention": [0.0, 1.0], "curve": ["log", "logg"]}
    )
    with pytest.raises(SchemaErrors) as caught:
        schema("lines").validate(frame, lazy=True)
    assert set(caught.value.failure_cases["column"]) == {"id", "ask", "retention", "curve"}


def test_other_tables_have_no_schema():
    with pytest.raises(InvalidInput, match="units, lines"):
        schema("rules")
