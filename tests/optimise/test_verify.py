"""A run checked from its files alone: honest runs hold, any change of them is found, and no solver is loaded."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import fiscus
from fiscus.cli import app
from fiscus.core.process import Scenarios
from fiscus.errors import BrokenRun
from fiscus.optimise.verify import verify

SMOOTH = {
    "lines": {
        "id": ["roads", "schools", "parks"],
        "unit": ["north", "north", "south"],
        "ask": [60, 50, 40],
        "prior": [30, 30, 20],
        "curve": ["log", "saturating", "linear"],
        "a": [80, 60, 0.4],
        "h": [40, 25, None],
    },
    "units": {"id": ["city", "north", "south"], "parent": ["", "city", "city"], "cap": [None, 70, None]},
    "budget": 100,
}
LUMPY = {
    "lines": {
        "id": ["hall", "pool", "path"],
        "cap": [40, 35, 30],
        "lumpy": [True, True, True],
        "curve": ["linear"] * 3,
        "a": [3.0, 2.9, 1.0],
    },
    "budget": 70,
}
BENT = {
    "lines": {
        "id": ["a", "b", "c"],
        "cap": [60, 60, 60],
        "curve": ["hill", "hill", "log"],
        "a": [50, 45, 10],
        "h": [25, 30, 20],
        "p": [3, 2.5, None],
    },
    "budget": 80,
}
SHARE = [{"id": "half", "kind": "share", "node": "north", "cap": 0.5}]
FLOORS = [{"id": "much", "kind": "envelope", "node": "south", "floor": 45}]
RUNS = {
    "tree": (SMOOTH, {}),
    "highs": ({**SMOOTH, "rules": SHARE}, {"route": "highs"}),
    "pyomo": ({**SMOOTH, "rules": SHARE}, {"route": "pyomo"}),
    "incremental": (SMOOTH, {"method": "incremental"}),
    "bottom-up": (SMOOTH, {"method": "bottom_up"}),
    "zero-based": (SMOOTH, {"method": "zero_based"}),
    "s-curves by tree": (BENT, {"route": "tree"}),
    "s-curves by highs": (BENT, {"route": "highs"}),
    "yes or no": (LUMPY, {}),
    "two periods": ({**SMOOTH, "periods": ["FY1", "FY2"], "budget": {"FY1": 90, "FY2": 70}}, {}),
    "infeasible": ({**SMOOTH, "rules": FLOORS}, {}),
}
CLI = CliRunner()


def solved(name):
    settings, options = RUNS[name]
    return fiscus.solve(fiscus.Problem.from_frames(**settings), **options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every run once; tests work on copies of its files."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: (result := solved(name), result.save(folder / name)) for name in RUNS}


@pytest.fixture
def copy(saved, tmp_path):
    """A run's files to tamper with."""

    def make(name):
        for file in saved[name][1].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        return tmp_path

    return make


def edit(path, **changes):
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | changes))


def cells(run):
    """Header and rows of allocation.csv."""
    header, *rows = (run / "allocation.csv").read_text().splitlines()
    return header, [row.split(",") for row in rows]


def write_cells(run, header, rows):
    (run / "allocation.csv").write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")


def amend(run, line, by):
    """Change one amount by whole cents."""
    header, rows = cells(run)
    for row in rows:
        if row[1] == line:
            row[3] = f"{(round(float(row[3]) * 100) + by) / 100:.2f}"
            break
    write_cells(run, header, rows)


def failed(run):
    """Names of the failed checks; the command line agrees by its exit code and says each sentence, with no traceback."""
    verification = verify(run)
    names = [check.name for check in verification.checks if check.standing == "failed"]
    assert verification.holds == (names == [])
    printed = CLI.invoke(app, ["verify", str(run)])
    assert printed.exit_code == (1 if names else 0), printed.output
    assert printed.exception is None or isinstance(printed.exception, SystemExit)
    flat = " ".join(printed.output.split())
    assert all(" ".join(check.sentence.split()) in flat for check in verification.checks)
    document = json.loads(CLI.invoke(app, ["verify", str(run), "--json"]).output)
    assert document["holds"] == verification.holds
    assert [each["name"] for each in document["checks"] if each["standing"] == "failed"] == names
    return names


def broken(run, match):
    """Refused with one sentence that names the file, exit code 2, no traceback."""
    with pytest.raises(BrokenRun, match=match) as refusal:
        verify(run)
    assert "Traceback" not in str(refusal.value)
    printed = CLI.invoke(app, ["verify", str(run)])
    assert printed.exit_code == 2
    assert isinstance(printed.exception, SystemExit)


def refused(run):
    """Broken or failed, one of the two, and nothing worse."""
    try:
        return not verify(run).holds
    except BrokenRun:
        return True


@pytest.mark.parametrize("name", RUNS)
def test_an_honest_run_holds(saved, copy, name):
    result, folder = saved[name]
    verification = verify(folder)
    assert failed(copy(name)) == []
    if name == "infeasible":
        assert result.status == "infeasible"
        assert math.isnan(verification.value)
        return
    assert result.solution is not None
    assert verification.value == result.exact_value
    assert verification.bound >= verification.value
    standing = {check.name: check.standing for check in verification.checks}
    assert {standing[each] for each in ("problem", "allocation", "rules", "value", "bound")} == {"proved"}
    # What is proved of the whole agrees with what the run said when it was solved.
    assert verification.gap == pytest.approx(result.proved_gap, abs=1e-9)
    if result.proof_status == "proved":
        assert verification.gap <= max(result.tolerance, 1e-6)
        assert "solver's bound" not in standing


@pytest.mark.parametrize("slopes", [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)])
def test_an_honest_run_holds_where_cents_cannot_meet_an_equality(tmp_path, slopes):
    """Thirds of 100.00: the exact amounts miss the share by part of a cent, and may be worth that much more than any plan."""
    lines = {"id": ["a", "b"], "unit": ["x", "y"], "cap": [80, 80], "curve": ["linear"] * 2, "a": list(slopes)}
    units = {"id": ["all", "x", "y"], "parent": ["", "all", "all"]}
    rules = [{"id": "third", "kind": "share", "node": "x", "floor": 1 / 3, "cap": 1 / 3}]
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, units=units, rules=rules, budget=100))
    assert result.status == "optimal"
    result.save(tmp_path)
    assert failed(tmp_path) == []


def test_a_yes_or_no_bound_is_only_reported(saved):
    """The relaxation proves less than HiGHS says; the run tells the two apart."""
    result, folder = saved["yes or no"]
    verification = verify(folder)
    standing = {check.name: check.standing for check in verification.checks}
    assert result.status == "optimal"
    assert result.proof_status == "reported"
    assert standing["bound"] == "proved"
    assert standing["solver's bound"] == "reported"
    # Hall and path, by trying all: 120 + 30; the relaxation takes hall and 30/35 of the pool.
    assert verification.value == pytest.approx(150)
    assert verification.bound == pytest.approx(120 + 2.9 * 30, rel=1e-9)


LOADED = """
import json, sys
from fiscus.optimise.verify import verify
held = [verify(run).holds for run in sys.argv[1:]]
print(json.dumps([held, sorted({name.split('.')[0] for name in sys.modules})]))
"""

SOLVERS = {"highspy", "pyomo", "cvxpy", "clarabel", "gurobipy", "pulp", "linopy", "ortools", "torch"}


def test_verify_never_loads_a_solver(saved):
    runs = [str(folder) for _, folder in saved.values()]
    process = subprocess.run(
        [sys.executable, "-c", LOADED, *runs], capture_output=True, text=True, timeout=60, check=True
    )
    held, modules = json.loads(process.stdout)
    assert held == [True] * len(runs)
    assert SOLVERS.isdisjoint(modules)


def test_the_command_never_loads_a_solver(saved):
    """``python -X importtime -m fiscus.cli verify RUN`` writes every import, whoever makes it."""
    command = [sys.executable, "-X", "importtime", "-m", "fiscus.cli", "verify", str(saved["highs"][1])]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stdout
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in process.stderr.splitlines() if "|" in line}
    assert "numpy" in imported
    assert SOLVERS.isdisjoint(imported)


# --- Tampering with the amounts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tree", "highs", "two periods"])
def test_a_cent_beyond_a_limit_is_found(copy, name):
    run = copy(name)
    amend(run, "parks", 1)  # The budget is spent to the cent.
    assert "rules" in failed(run)


def test_a_cent_beyond_a_lines_cap_is_found(copy, saved):
    run = copy("yes or no")
    amend(run, "hall", 1)
    assert "rules" in failed(run)


@pytest.mark.parametrize("name", ["tree", "highs", "s-curves by tree"])
def test_an_amount_moved_between_lines_is_found(copy, name):
    """No limit is passed, but the plan is worth less than was said."""
    run = copy(name)
    lines = [row[1] for row in cells(run)[1]]
    amend(run, lines[0], -500)
    assert failed(run) == ["value", "allocated", "plan before rounding", "proof"]
    amend(run, lines[1], 500)
    assert "value" in failed(run)


def test_a_lost_or_unknown_line_is_found(copy):
    run = copy("tree")
    header, rows = cells(run)
    write_cells(run, header, rows[1:])
    assert failed(run) == ["allocation"]
    assert "roads" in verify(run).checks[-1].sentence
    write_cells(run, header, [*rows, ["now", "casino", "north", "0.00"]])
    assert failed(run) == ["allocation"]
    assert "casino" in verify(run).checks[-1].sentence
    write_cells(run, header, [*rows[:2], ["later", *rows[2][1:]]])
    assert failed(run) == ["allocation"]


def test_a_line_given_twice_is_found(copy):
    """The last of two amounts must not win in silence: a reader adds both up."""
    run = copy("tree")
    header, rows = cells(run)
    write_cells(run, header, [[*rows[0][:3], "999.00"], *rows])
    assert refused(run)


def test_a_line_moved_to_another_unit_is_found(copy):
    run = copy("tree")
    header, rows = cells(run)
    write_cells(run, header, [[*rows[0][:2], "south", rows[0][3]], *rows[1:]])
    assert failed(run) == ["allocation"]


@pytest.mark.parametrize("amount", ["10.001", "-0.01", "1e30", "99999999999999999999.00"])
def test_an_amount_that_is_none_is_found(copy, amount):
    run = copy("tree")
    header, rows = cells(run)
    write_cells(run, header, [[*rows[0][:3], amount], *rows[1:]])
    assert failed(run) != []


def test_amounts_that_add_up_to_nothing_in_64_bits_are_found(tmp_path):
    """Four times 2**62 cents are no money at all to a 64-bit sum."""
    lines = {"id": list("abcd"), "curve": ["log"] * 4, "a": [4, 3, 2, 1], "h": [10] * 4}
    fiscus.solve(fiscus.Problem.from_frames(lines=lines, budget=100)).save(tmp_path)
    header, rows = cells(tmp_path)
    write_cells(tmp_path, header, [[*row[:3], "46116860184273879.04"] for row in rows])
    assert {"rules", "allocation"} & set(failed(tmp_path))


@pytest.mark.parametrize("keep", [0, 1])
def test_a_plan_that_lost_its_amounts_is_found(copy, keep):
    """Only the header is left, or not even that; result.json still says what was allocated."""
    run = copy("tree")
    text = (run / "allocation.csv").read_text().splitlines(keepends=True)
    (run / "allocation.csv").write_text("".join(text[:keep]))
    assert failed(run) == ["allocation"]


def test_an_infeasible_run_that_grew_amounts_is_found(copy, saved):
    run = copy("infeasible")
    (run / "allocation.csv").write_bytes((saved["tree"][1] / "allocation.csv").read_bytes())
    assert failed(run) != []


# --- Tampering with the problem and the figures ----------------------------------------------------------------------


def test_another_problem_is_found(copy):
    """A cap raised in problem.json, with and without a new digest in place of the old."""
    run = copy("tree")
    text = (run / "problem.json").read_text()
    assert text.count("70.0") == 1
    (run / "problem.json").write_text(text.replace("70.0", "75.0"))
    assert "problem" in failed(run)


def test_the_digest_of_another_problem_is_found(copy):
    run = copy("tree")
    document = json.loads((run / "result.json").read_text())
    edit(run / "result.json", digests=document["digests"] | {"problem": hashlib.sha256(b"other").hexdigest()})
    assert failed(run) == ["problem"]
    edit(run / "result.json", digests=None)
    assert failed(run) == ["problem", "digest of the rules"]


def test_the_same_problem_in_other_words_is_found(copy):
    """Reads back as the same problem, but is not the file that was hashed."""
    run = copy("tree")
    edit(run / "problem.json")
    assert failed(run) == ["problem"]


@pytest.mark.parametrize("value", [0.0, 1e9, None, "much", math.nan])
def test_another_value_is_found(copy, value):
    run = copy("tree")
    edit(run / "result.json", exact_value=value)
    assert failed(run) == ["value"]


@pytest.mark.parametrize("factor", [0.9, 1.0 - 1e-6, 1.0 + 1e-6, 2.0])
@pytest.mark.parametrize("name", ["tree", "highs", "s-curves by tree"])
def test_another_proved_bound_is_found(copy, name, factor):
    run = copy(name)
    proof = json.loads((run / "result.json").read_text())["proof"]
    edit(run / "result.json", proof=proof | {"proved_bound": proof["proved_bound"] * factor})
    assert failed(run) == ["bound"]


def test_a_proved_bound_that_is_no_number_is_found(copy):
    run = copy("tree")
    proof = json.loads((run / "result.json").read_text())["proof"]
    for word in (math.nan, "small", None):
        edit(run / "result.json", proof=proof | {"proved_bound": word})
        assert failed(run) == ["bound"], word


def test_a_solvers_bound_below_the_plan_is_found(copy):
    """No bound can lie below what a plan that obeys all rules is worth."""
    run = copy("yes or no")
    value = json.loads((run / "result.json").read_text())["exact_value"]
    edit(run / "result.json", bound=value * 0.9)
    assert failed(run) == ["solver's bound", "proof"]  # The gap stays none, as of a bound that is met.


# --- Tampering with the proof ----------------------------------------------------------------------------------------


def prices(document):
    """Every list of prices in a certificate."""
    if "prices" in document:
        return [document["prices"]]
    return [each for half in ("at_most", "at_least") if half in document for each in prices(document[half])]


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.01, -1.0, 1e300])
@pytest.mark.parametrize("name", ["tree", "highs", "s-curves by tree"])
def test_another_price_proves_another_bound_and_is_found(copy, name, factor):
    run = copy(name)
    document = json.loads((run / "certificate.json").read_text())
    listed = [each for part in prices(document) for each in part]
    assert listed
    for price in listed:
        price["price"] *= factor
    (run / "certificate.json").write_text(json.dumps(document))
    # Prices of a divided proof are not compared with those of the rows that bind.
    named = ["proof"] if "at" in document else ["proof", "prices"]
    assert failed(run) == ["certificate", "bound", *named]
    # Whatever the prices, they never prove a bound below the plan.
    assert verify(run).bound >= verify(run).value


@pytest.mark.parametrize("name", ["tree", "highs", "two periods"])
@pytest.mark.parametrize("kept", [slice(1, None), slice(0, 0)])
def test_a_row_that_binds_and_was_left_out_is_found(copy, name, kept):
    run = copy(name)
    rows = json.loads((run / "result.json").read_text())["binding"][kept]
    edit(run / "result.json", binding=rows, binding_rows=len(rows))
    assert failed(run) == ["prices"]


@pytest.mark.parametrize("name", ["tree", "highs"])
def test_prices_are_not_believed_for_choices_that_the_problem_does_not_have(copy, name):
    run = copy(name)
    rows = json.loads((run / "result.json").read_text())["binding"]
    edit(run / "result.json", duals_of="problem with integers fixed", binding=[{**row, "price": -5.0} for row in rows])
    assert failed(run) == ["binding"]


def test_a_price_of_scenarios_that_are_none_excuses_nothing(copy):
    run = copy("tree")
    document = json.loads((run / "certificate.json").read_text())
    document["prices"].append({"kind": "value", "row": ["value", "x"], "price": 1.0})
    (run / "certificate.json").write_text(json.dumps(document))
    rows = json.loads((run / "result.json").read_text())["binding"]
    edit(run / "result.json", binding=[{**row, "price": 777.0} for row in rows])
    assert "prices" in failed(run)


def test_a_soft_rule_with_room_to_spare_is_not_said_to_bind(tmp_path):
    """HiGHS leaves risk variables anywhere inside a soft limit: what counts is where the plan itself stands."""
    plan = {
        "lines": {"id": ["a", "b", "hall"], "cap": [30, 30, 25], "lumpy": [False, False, True], "curve": ["log"] * 3,
                  "a": [20, 15, 30], "h": [10, 12, 9]},
        "budget": 60,
        "rules": [{"id": "tail", "kind": "risk", "measure": "cvar:0.5", "limit": -60.88, "hard": False, "penalty": 0.25}],
    }  # fmt: skip
    rng = np.random.default_rng(0)
    problem = fiscus.Problem.from_frames(**plan)
    problem = problem.but(scenarios=Scenarios.equally_likely(rng.lognormal(0.0, 0.6, (20, *problem.shape))))
    result = fiscus.solve(problem, route="highs")
    assert "tail" not in {each.rule for each in result.binding}
    assert verify(result.save(tmp_path)).holds


@pytest.mark.parametrize("price", [math.inf, -math.inf, math.nan])
def test_a_price_that_is_no_number_proves_nothing(copy, price):
    run = copy("tree")
    document = json.loads((run / "certificate.json").read_text())
    document["prices"][0]["price"] = price
    (run / "certificate.json").write_text(json.dumps(document))
    assert refused(run)
    printed = CLI.invoke(app, ["verify", str(run)])
    assert isinstance(printed.exception, SystemExit)
    assert printed.exit_code in (1, 2)


def test_a_part_left_out_of_the_proof_is_found(copy):
    """Calling a half empty would lower the bound; it is checked, not believed."""
    run = copy("s-curves by tree")
    document = json.loads((run / "certificate.json").read_text())
    undivided = "at" not in document
    if undivided:  # The search needed no division: make one, whose prices are not those of the rows that bind.
        halves = {"at_most": dict(document), "at_least": dict(document)}
        document |= {"period": "now", "line": "a", "at": 20.0, **halves}
    document["at_least"] = {"empty": True}
    (run / "certificate.json").write_text(json.dumps(document))
    assert failed(run) == ["certificate", "bound", "proof", *["prices"] * undivided]
    assert verify(run).bound >= verify(run).value


# --- Broken files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["result.json", "problem.json", "certificate.json", "allocation.csv"])
def test_a_missing_file_is_named(copy, file):
    """As in runs written before there were problems and certificates in them."""
    run = copy("tree")
    (run / file).unlink()
    broken(run, file)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "7", '{"prices": 3}', '{"prices": [1]}', '{"at": 1}', "\ufeff{}"]
)
@pytest.mark.parametrize("file", ["result.json", "problem.json", "certificate.json"])
def test_a_file_of_another_shape_is_named(copy, file, content):
    run = copy("tree")
    (run / file).write_text(content, encoding="utf-8")
    if file == "result.json" and content.startswith('{"'):
        assert "problem" in failed(run)  # A document, but it names no problem.
    else:
        broken(run, file)


@pytest.mark.parametrize("file", ["result.json", "problem.json", "certificate.json", "allocation.csv"])
def test_bytes_that_are_no_text_are_named(copy, file):
    run = copy("tree")
    (run / file).write_bytes(b"\xff\xfe\x00\x81")
    broken(run, file)


@pytest.mark.parametrize("file", ["problem.json", "certificate.json", "result.json"])
def test_every_cut_of_a_file_is_found(copy, file):
    run = copy("tree")
    text = (run / file).read_text()
    for share in (0.1, 0.5, 0.9, 0.99):
        (run / file).write_text(text[: int(share * len(text))])
        broken(run, file)


def test_every_cut_of_the_amounts_is_found(copy):
    run = copy("tree")
    data = (run / "allocation.csv").read_text()
    for end in range(len(data) - 4):
        (run / "allocation.csv").write_text(data[:end])
        assert refused(run), data[:end]


@pytest.mark.parametrize("proof", [None, [], "proved", 3, {}, {"proved_bound": {}, "reported_by": 4}])
def test_a_proof_of_another_shape_never_ends_in_a_traceback(copy, proof):
    for name in ("tree", "yes or no"):
        run = copy(name)
        edit(run / "result.json", proof=proof)
        printed = CLI.invoke(app, ["verify", str(run)])
        assert isinstance(printed.exception, SystemExit | None), repr(printed.exception)
        assert printed.exit_code in (1, 2)


@pytest.mark.parametrize("file", ["result.json", "problem.json", "certificate.json"])
def test_a_file_nested_beyond_all_reason_is_named(copy, file):
    run = copy("tree")
    (run / file).write_text('{"at":' * 100_000)
    broken(run, file)


def test_no_run_at_all(tmp_path):
    broken(tmp_path / "nowhere", "result.json")
    (tmp_path / "file").write_text("x")
    broken(tmp_path / "file", "result.json")
