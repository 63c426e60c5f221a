"""Release, orders, payments, reconciliation, budgets and cash, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs" / "authority"
COLUMNS = "proposal,period,line,amount,reference\n"


def amounts(told, unit="city"):
    """Major units of a budget by bucket."""
    row = next(each for each in told("funds", "show") if each["book"] == unit)
    return {name: row.get(name, 0) / 100 for name in ("available", "reserved", "released", "committed", "actual")}


def test_money_goes_from_reserve_to_books_and_back(approved, told, tmp_path):
    assert amounts(told) == {"available": 3499.5, "reserved": 1500.5, "released": 0, "committed": 0, "actual": 0}
    assert "part released" in approved("release", "p", "--as", "pam", "--amount", "FY1:roads=1000").replace("_", " ")
    assert "error" in approved("release", "p", "--as", "pam", "--amount", "FY1:roads=201", code=2)
    approved("release", "p", "--as", "pam")
    approved("commit", "p", "--as", "pam", "--reference", "order 7", "--amount", "FY1:roads=600")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}p,FY1,roads,700.25,invoice 7\np,FY1,trees,300,invoice 8\n")
    assert "2 payments were recorded" in approved("actuals", "import", "paid.csv", "--as", "pam")
    assert amounts(told) == {"available": 3499.5, "reserved": 0, "released": 500.25, "committed": 0, "actual": 1000.25}
    events = told("audit", "show", "p")
    trees = next(e["version"] for e in events if e["kind"] == "Spent" and "trees" in str(e["data"]))
    assert "error" in approved("reverse", "p", 1, "--as", "pam", "--why", "no such booking", code=2)
    approved("reverse", "p", trees, "--as", "pam", "--why", "paid twice")
    assert "error" in approved("reverse", "p", trees, "--as", "pam", "--why", "again", code=2)
    assert amounts(told)["actual"] == 700.25
    reconcile = ("reconcile", "p", "--as", "cal", "--reference", "bank", "--total")
    assert "error" in approved(*reconcile, "FY1=700", code=2)
    assert "error" in approved(*reconcile, "700", code=2)
    approved(*reconcile, "FY1=700.25")
    approved("close", "p", "--as", "cal", "--why", "done")
    assert amounts(told) == {"available": 4299.75, "reserved": 0, "released": 0, "committed": 0, "actual": 700.25}
    approved("audit", "verify")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("p,FY1,roads,1,ok\np,FY1,lanes,1,no such line\n", "row 3"),
        ("p,FY1,roads,1,ok\np,FY1,roads,much,x\n", "row 3"),
        ('p,FY1,roads,1,ok\np,FY1,roads,"1,5",x\n', "row 3: '1,5' is not an amount of USD: it could be 1.5 or 15"),
        ("p,FY1,roads,1,ok\np,FY1,roads,10,50,I9\n", "row 3: it has 6 cells for 5 columns"),
        ("p,FY1,roads,1,ok\nq,FY1,roads,1,x\n", "row 3"),
        ("p,FY1,roads,1,ok\np,FY1,roads,1.234,x\n", "row 3"),
        ("p,FY1,roads,1,ok\np,FY1,roads,1, \n", "row 3: reference is empty"),
        ("p,FY1,roads,1,ok\np,FY1,roads,100000,x\n", "row 3"),
    ],
)
def test_a_bad_payment_leaves_nothing_behind(approved, told, tmp_path, table, words):
    approved("release", "p", "--as", "pam")
    events = len(told("audit", "show"))
    (tmp_path / "paid.csv").write_text(COLUMNS + table)
    said = approved("actuals", "import", "paid.csv", "--as", "pam", code=2)
    assert words in said
    assert "Nothing was recorded" in said
    assert len(told("audit", "show")) == events


def test_a_payment_is_recorded_once_by_its_reference(approved, told, tmp_path):
    approved("release", "p", "--as", "pam")
    approved("commit", "p", "--as", "pam", "--reference", "order", "--amount", "FY1:roads=150")
    pay = ("actuals", "import", "paid.csv", "--as", "pam")
    first = f"{COLUMNS}p,FY1,roads,200,INV-1\np,FY1,trees,10,INV-1\n"  # One invoice for two lines; a part was ordered.
    (tmp_path / "paid.csv").write_text(first)
    said = approved(*pay)
    assert "2 payments were recorded." in said
    assert "already" not in said
    events = len(told("audit", "show"))
    said = approved(*pay)
    assert "0 payments were recorded." in said
    assert "2 of 2 payments were recorded already (rows 2, 3) and were passed over" in said
    assert len(told("audit", "show")) == events
    (tmp_path / "paid.csv").write_text(f"{first}p,FY1,trees,5,INV-2\np,FY1,trees,5, INV-2 \n")
    said = approved(*pay)
    assert "1 payment was recorded." in said
    assert "3 of 4 payments were recorded already (rows 2, 3, 5)" in said
    assert amounts(told)["actual"] == 215
    for rows in ("p,FY1,trees,1,INV-3\np,FY1,roads,201,INV-1\n", "p,FY1,roads,1,INV-4\np,FY1,roads,2,INV-4\n"):
        (tmp_path / "paid.csv").write_text(COLUMNS + rows)
        said = approved(*pay, code=2)
        assert "row 3: INV-" in said
        assert "if this is another payment, give it a reference of its own" in said
        assert "Nothing was recorded" in said
    assert "INV-4 was recorded with USD 1.00 for roads in FY1 before" in said
    assert amounts(told)["actual"] == 215


def test_a_payment_that_was_reversed_is_recorded_again(approved, told, tmp_path):
    approved("release", "p", "--as", "pam")
    pay = ("actuals", "import", "paid.csv", "--as", "pam")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}p,FY1,roads,200,INV-1\n")
    approved(*pay)
    wrong = next(each["version"] for each in told("audit", "show", "p") if each["kind"] == "Spent")
    approved("reverse", "p", wrong, "--as", "pam", "--why", "wrong amount")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}p,FY1,roads,20,INV-1\n")
    assert "1 payment was recorded." in approved(*pay)
    assert amounts(told)["actual"] == 20
    assert "1 of 1 payments were recorded already (row 2)" in approved(*pay)
    assert amounts(told)["actual"] == 20


def test_a_table_without_the_right_columns_is_named(approved, tmp_path):
    (tmp_path / "paid.csv").write_text("a,b\n1,2\n")
    assert "the column 'proposal' is missing; columns are proposal, period" in approved(
        "actuals", "import", "paid.csv", "--as", "pam", code=2
    )
    (tmp_path / "paid.csv").write_text("proposal,period,line,amount,reference,amount\np,FY1,roads,1,x,2\n")
    assert "there are two columns 'amount'; keep one" in approved(
        "actuals", "import", "paid.csv", "--as", "pam", code=2
    )
    (tmp_path / "paid.csv").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in approved("actuals", "import", "paid.csv", "--as", "pam", code=2)


def test_a_hard_budget_refuses_the_last_signature(run, shown):
    run("funds", "set", "city", "FY1", "--amount", "1500.49", "--as", "bud")
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    assert "1,500.49 available, and USD 1,500.50 is wanted" in run("submit", "p", "--as", "ann", code=2)
    run("funds", "set", "city", "FY1", "--amount", "1500.50", "--as", "bud")
    run("submit", "p", "--as", "ann")
    run("funds", "set", "city", "FY1", "--amount", "1500.49", "--as", "bud")
    said = run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"], code=2)
    assert "The budget of city in FY1 (general) has USD 1,500.49 available" in said
    assert shown("p")["status"] == "in_review"
    run("funds", "set", "city", "FY1", "--amount", "1500.49", "--soft", "--as", "bud")
    run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"])
    assert shown("p")["status"] == "approved"


def test_an_overdrawn_soft_budget_becomes_hard_only_when_it_is_covered(run, shown, told):
    run("funds", "set", "city", "FY1", "--amount", "1000", "--soft", "--as", "bud")
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"])
    assert amounts(told)["available"] == -500.5
    assert "error" in run("funds", "set", "city", "FY1", "--amount", "1000", "--hard", "--as", "bud", code=2)
    assert "error" in run("funds", "set", "city", "FY1", "--amount", "1500.49", "--hard", "--as", "bud", code=2)
    run("funds", "set", "city", "FY1", "--amount", "1500.50", "--hard", "--as", "bud")
    assert amounts(told)["available"] == 0
    run("funds", "set", "city", "FY1", "--amount", "1000", "--soft", "--as", "bud")
    assert amounts(told)["available"] == -500.5
    run("audit", "verify")


def test_cash_that_must_stay_stops_a_release(approved):
    approved("funds", "cash", "FY1", "--amount", "1000", "--reserve", "100", "--as", "bud")
    said = approved("release", "p", "--as", "pam", code=2)
    assert "cash" in said.lower()
    approved("release", "p", "--as", "pam", "--amount", "FY1:roads=900")
    assert "error" in approved("release", "p", "--as", "pam", "--amount", "FY1:roads=0.01", code=2)


def test_cash_is_changed_and_its_reserve_stays(run, told):
    run("funds", "cash", "FY1", "--amount", "8000", "--reserve", "5000", "--as", "bud")
    assert "9,000.00 comes in in FY1; 5,000.00 stays" in run("funds", "cash", "FY1", "--amount", "9000", "--as", "bud")
    assert (amounts(told, "cash")["available"], amounts(told, "cash")["reserved"]) == (4000, 5000)
    run("funds", "cash", "FY1", "--amount", "9000", "--reserve", "0", "--as", "bud")
    assert amounts(told, "cash")["reserved"] == 0
    assert "0.00 stays" in run("funds", "cash", "FY2", "--amount", "1", "--as", "bud")


def test_only_the_budget_office_sets_budgets(run):
    assert "does not hold the role 'budget'" in run(
        "funds", "set", "city", "FY1", "--amount", "1", "--as", "ann", code=2
    )
    assert "error" in run("funds", "set", "city", "FY1", "--amount", "1.001", "--as", "bud", code=2)
    assert "error" in run("funds", "set", "nowhere", "FY1", "--amount", "1", "--as", "bud", code=2)
    assert "error" in run("funds", "cash", "FY1", "--amount", "-1", "--as", "bud", code=2)
    assert "works" not in run("funds", "show")


def test_a_decimal_comma_sets_no_budget(run, told):
    said = run("funds", "set", "city", "FY1", "--amount", "1,5", "--as", "bud", code=2)
    assert "it could be 1.5 or 15" in said
    assert "it could be 1.5 or 15" in run("funds", "cash", "FY1", "--amount", "1,5", "--as", "bud", code=2)
    assert amounts(told)["available"] == 5000
    run("funds", "set", "city", "FY1", "--amount", "1,234,567.89", "--as", "bud")
    assert amounts(told)["available"] == 1_234_567.89


def test_a_place_that_is_named_twice_is_refused(approved, told):
    release = ("release", "p", "--as", "pam")
    said = approved(*release, "--amount", "FY1:roads=100", "--amount", "FY1:roads=100", code=2)
    assert "--amount: FY1:roads stands there twice" in said
    for wrong in ("FY1=100", "FY1:=100", ":roads=100", "roads", "=100"):
        assert "write PERIOD:LINE=AMOUNT" in approved(*release, "--amount", wrong, code=2)
    said = approved(*release, "--amount", "FY1:roads=1,5", code=2)
    assert "--amount 'FY1:roads=1,5': '1,5' is not an amount of USD: it could be 1.5 or 15" in said
    assert amounts(told)["released"] == 0
    approved(*release, "--amount", "FY1:roads=100", "--amount", "FY1:trees=100")
    reconcile = ("reconcile", "p", "--as", "cal", "--reference", "bank")
    assert "--total: FY1 stands there twice" in approved(*reconcile, "--total", "FY1=0", "--total", "FY1=1", code=2)
    assert "--total '700': write PERIOD=AMOUNT" in approved(*reconcile, "--total", "700", code=2)
    assert "Give the reference of the statement" in approved(
        "reconcile", "p", "--as", "cal", "--reference", " ", "--total", "FY1=0", code=2
    )


def test_amounts_at_fault_are_told_in_the_currency(approved, tmp_path):
    told = approved("release", "p", "--as", "pam", "--amount", "FY1:roads=-5", code=2)
    assert "roads in FY1: USD -5.00 is no whole amount above zero." in told
    (tmp_path / "paid.csv").write_text("proposal,period,line,amount,reference\np,FY1,roads,100,a\n")
    approved("release", "p", "--as", "pam")
    assert "1 payment was recorded." in approved("actuals", "import", "paid.csv", "--as", "pam")
    huge = approved("funds", "set", "city", "FY1", "--amount", f"{10**16}", "--as", "bud", code=2)
    assert "USD 10,000,000,000,000,000.00 is no whole amount up to USD " in huge


def test_what_a_store_finds_missing_is_told_in_the_currency(approved):
    approved("funds", "cash", "FY1", "--amount", "5000", "--as", "bud")
    approved("release", "p", "--as", "pam")
    told = approved("funds", "cash", "FY1", "--amount", "100", "--as", "bud", code=2)
    assert "The cash of FY1 has USD 1,400.50 too little available." in told


def test_what_a_reallocation_asks_for_is_not_closed_under_it(approved, shown, tmp_path):
    (tmp_path / "moves.csv").write_text("period,line,unit,amount\nFY1,roads,works,-50\nFY1,trees,works,50\n")
    approved("reallocate", "p-r", "p", "moves.csv", "--as", "ann", "--title", "Trees", "--why", "storm")
    approved("submit", "p-r", "--as", "ann")
    said = approved("close", "p", "--as", "ann", code=2)
    assert "Proposal p-r (in review, of ann) would move money of p" in said
    assert shown("p")["status"] == "approved"
    approved("recall", "p-r", "--as", "ann")
    approved("close", "p", "--as", "ann")
    assert shown("p")["status"] == "closed"


def test_what_is_shown_is_what_each_line_has_now(approved, tmp_path):
    first = approved("show", "p")
    assert "Its money is USD 1,500.50 now: 1,500.50 reserved, 0.00 released, 0.00 committed, 0.00 actual." in first
    assert "approved now" not in first  # A second table would say the same as the first.
    (tmp_path / "moves.csv").write_text(
        "period,line,unit,amount,title\nFY1,roads,works,-50,\nFY1,trees,works,40,\nFY1,lamps,works,10,Lamps [new]\n"
    )
    approved("reallocate", "p-r", "p", "moves.csv", "--as", "ann", "--title", "Trees", "--why", "storm")
    approved("submit", "p-r", "--as", "ann")
    assert "p-r" not in approved("show", "p")
    hash_ = approved("show", "p-r").split("hash ")[1].split()[0]
    approved("approve", "p-r", "--as", "hal", "--hash", hash_)
    assert "reserved" not in approved("show", "p-r")
    approved("release", "p", "--as", "pam", "--amount", "FY1:roads=1000")
    approved("commit", "p", "--as", "pam", "--reference", "order 7", "--amount", "FY1:roads=600")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}p,FY1,roads,300.25,invoice 7\n")
    approved("actuals", "import", "paid.csv", "--as", "pam")
    said = approved("show", "p")
    assert "Proposal p-r moved money of it on 20" in said
    assert "UTC: roads in FY1 \N{MINUS SIGN}50.00, trees in FY1 +40.00, lamps in FY1 +10.00." in said
    assert "Its money is USD 1,500.50 now: 500.50 reserved, 400.00 released, 299.75 committed, 300.25 actual." in said
    assert "FY1 roads 1,200.50 1,150.50 150.50 400.00 299.75 300.25" in said
    assert "FY1 trees 300.00 340.00 340.00 0.00 0.00 0.00" in said
    assert "FY1 Lamps [new] 0.00 10.00 10.00 0.00 0.00 0.00" in said
    approved("hold", "p", "--as", "hal", "--why", "wait")
    assert "Its money is USD 1,500.50 now: 500.50 reserved" in approved("show", "p")


def test_what_is_over_shows_what_was_paid_and_nothing_as_reserved(approved, tmp_path):
    approved("release", "p", "--as", "pam", "--amount", "FY1:roads=1000")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}p,FY1,roads,7.50,invoice 8\n")
    approved("actuals", "import", "paid.csv", "--as", "pam")
    approved("reconcile", "p", "--as", "cal", "--reference", "bank", "--total", "FY1=7.50")
    approved("close", "p", "--as", "cal")
    said = approved("show", "p")
    assert "USD 7.50 was paid, and the rest is available again." in said
    assert "FY1 roads 1,200.50 1,200.50 0.00 0.00 0.00 7.50" in said


def test_a_lone_bookkeeper_does_not_record_what_nobody_could_reconcile(run, shown, told, tmp_path):
    """The smallest matrix that is shipped: who reconciles holds the role that may record payments too."""
    (tmp_path / "simple.yaml").write_text((CONFIGS / "simple.yaml").read_text())
    run("policy", "adopt", "simple.yaml", "--as", "root")
    for person, role in (("hal", "approver"), ("pam", "releaser"), ("cal", "bookkeeper")):
        run("people", "grant", person, role, "--as", "root")
    run("draft", "q", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "q", "--as", "ann")
    run("approve", "q", "--as", "hal", "--hash", shown("q")["hash"])
    run("release", "q", "--as", "pam")
    (tmp_path / "paid.csv").write_text(f"{COLUMNS}q,FY1,roads,700,invoice 7\n")
    said = run("actuals", "import", "paid.csv", "--as", "cal", code=2)
    assert (
        "If you do that, nobody can reconcile it: The reconciliation needs 1 different person, and nobody may" in said
    )
    assert "(cal was releaser or recorder of orders and payments)" in said
    assert amounts(told)["actual"] == 0
    run("actuals", "import", "paid.csv", "--as", "pam")
    run("reconcile", "q", "--as", "cal", "--reference", "bank", "--total", "FY1=700")
    assert amounts(told)["actual"] == 700
    run("people", "grant", "bud", "bookkeeper", "--as", "root")
    (tmp_path / "more.csv").write_text(f"{COLUMNS}q,FY1,roads,1,invoice 8\n")
    run("actuals", "import", "more.csv", "--as", "bud")
    said = run("reconcile", "q", "--as", "bud", "--reference", "bank", "--total", "FY1=701", code=2)
    assert "bud was releaser or recorder of orders and payments of q and cannot be reconciler of the same money" in said
