"""Mutated plan folders: whatever is in them, findings come out, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from integrate.plan_folders import FILES, write_good_plan
from repetitions import slow_from

import fiscus
from fiscus.core.findings import Finding

CELLS = (
    "", " ", "0", "-1", "1e999", "-0", "NaN", "inf", "0x10", "1_000", "١٢", "=1+1", "#REF!", "$5m", "12%", "(500)", "1,2,3", '"', "'",
    "a" * 5000, "\t", "null", "true", "no", "2024-01-01", "1:30", "0:0;1:1", "city", "north", "roads", "FY1", "hill", "step", "€9",
    "9" * 40, "1e-320", "\u202e", "\ud7ff", "None", "[]", "{}", "*", "&a", "!!python/object:os.system", "- ", ": ", "<<", "~",
)  # fmt: skip
YAML = (
    "[]", "{}", "null", "~", "2024-13-45", "1:30:00", "[FY1, [FY2]]", "{a: {b: c}}", "&a [*a]", "!!binary x", "!!python/name:os.system",
    "1e400", ".nan", ".inf", "-.inf", "yes", "'", '"', "|", ">", "? x", "- - -", "@", "`", "%", "\x00", "\x07", "0b101", "1_000", "12e03",
    "[" * 200, "{<<: *x}", "{[1]: 2}", "{1: 2}", "{null: 1}", "!!set {a}", "2001-12-14t21:59:43.10-05:00", "-", "--- \n---", "&b {x: *b}",
)  # fmt: skip


def mutate(folder: Path, rng: np.random.Generator) -> None:
    """Change one to four things."""
    for _ in range(int(rng.integers(1, 5))):
        name = str(rng.choice(list(FILES)))
        path = folder / name
        if not path.is_file():
            continue
        data = path.read_bytes()
        path.write_bytes(_KINDS[int(rng.integers(len(_KINDS)))](data, rng))
        if rng.random() < 0.02:
            path.unlink()
        elif rng.random() < 0.02:
            (folder / str(rng.choice(list(FILES)))).write_bytes(data)


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    mutable = bytearray(data or b" ")
    for _ in range(int(rng.integers(1, 6))):
        mutable[int(rng.integers(len(mutable)))] = int(rng.integers(256))
    return bytes(mutable)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    return data[:start] + data[end:] if rng.random() < 0.5 else data[:end]


def _cell(data: bytes, rng: np.random.Generator) -> bytes:
    rows = [row.split(b",") for row in data.split(b"\n")]
    row = rows[int(rng.integers(len(rows)))]
    row[int(rng.integers(len(row)))] = str(rng.choice(CELLS)).encode("utf-8", "surrogatepass")
    return b"\n".join(b",".join(each) for each in rows)


def _rows(data: bytes, rng: np.random.Generator) -> bytes:
    rows = data.split(b"\n")
    index = int(rng.integers(len(rows)))
    if rng.random() < 0.5:
        rows.insert(index, rows[int(rng.integers(len(rows)))])
    else:
        del rows[index]
    return b"\n".join(rows)


def _value(data: bytes, rng: np.random.Generator) -> bytes:
    rows = data.split(b"\n")
    index = int(rng.integers(len(rows)))
    key, colon, _ = rows[index].partition(b": ")
    rows[index] = key + (colon or b": ") + str(rng.choice(YAML)).encode("utf-8", "surrogatepass")
    return b"\n".join(rows)


def _header(data: bytes, rng: np.random.Generator) -> bytes:
    names = data.split(b"\n")[0].split(b",")
    index = int(rng.integers(len(names)))
    names[index] = rng.choice([b"id", b"cap@FY1", b"@", b"cap@", b"@FY1", b"", b" ask ", b"Ask", names[0]])
    return b"\n".join([b",".join(names), *data.split(b"\n")[1:]])


_KINDS = (_flip, _cut, _cell, _cell, _cell, _rows, _value, _value, _header)


def fuzz(count: int, seed: int, folder: Path) -> int:
    """Read mutated plans; gives how many of them still made a problem."""
    made = 0
    for number in range(count):
        for path in folder.glob("*"):
            path.unlink()
        rng = np.random.default_rng([seed, number])
        mutate(write_good_plan(folder), rng)
        try:
            problem, findings = fiscus.read_plan(folder)
            assert all(isinstance(each, Finding) and each.sentence for each in findings)
            assert (problem is None) == any(each.severity == "error" for each in findings)
            if problem is not None:
                made += 1
                assert problem.statement.rows
                assert len(problem.digest) == 64
        except Exception as error:
            raise AssertionError(f"seed {seed}, mutation {number}: {type(error).__name__}: {error}") from error
    return made


@pytest.mark.parametrize("seed", slow_from(2, 10))
def test_a_thousand_mutations_give_no_traceback(tmp_path, seed):
    """Of each seed; ten thousand with those of ``./run slow``."""
    assert 0 < fuzz(1_000, 100 + seed, tmp_path / "plan") < 1_000
