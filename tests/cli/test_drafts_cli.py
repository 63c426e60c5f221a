"""Proposals that people write by hand, from the command line."""

from __future__ import annotations

ITEMS = "period,line,unit,amount,prior\nFY1,roads,works,1200.50,1000\nFY1,trees,works,300,\n"


def test_a_draft_is_edited_approved_and_its_money_moved(run, shown, tmp_path):
    assert "it is draft now" in run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    first = shown("p")["hash"]
    run("return", "p", "--as", "hal", "--why", "more roads")
    (tmp_path / "items.csv").write_text(ITEMS.replace("1200.50", "1500"))
    run("edit", "p", "items.csv", "--as", "ann")
    assert shown("p")["content"]["title"] == "Spring"
    run("submit", "p", "--as", "ann")
    assert "not the version you saw" in run("approve", "p", "--as", "hal", "--hash", first, code=2)
    run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"])
    (tmp_path / "moves.csv").write_text("period,line,unit,amount\nFY1,roads,works,-500\nFY1,pools,works,400\n")
    run("reallocate", "c", "p", "moves.csv", "--as", "ann", "--title", "Pools", "--why", "a warm summer")
    run("submit", "c", "--as", "ann")
    run("approve", "c", "--as", "hal", "--hash", shown("c")["hash"])
    assert shown("c")["status"] == "closed"
    run("release", "p", "--as", "pam", "--amount", "FY1:pools=400", "--amount", "FY1:roads=1,000.00")
    assert shown("p")["places"] == [["FY1", "pools", 40_000, 0, 0], ["FY1", "roads", 100_000, 0, 0]]
    assert shown("p")["total"] == 170_000
    assert "are part" not in run("audit", "verify")


def test_what_is_wrong_with_a_table_is_said_with_its_row(run, tmp_path):
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,roads,works,much\nFY1,trees,works,1.234\n")
    told = run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    assert "row 2" in told
    assert "row 3" in told
    (tmp_path / "bad.csv").write_text('period,line,unit,amount\nFY1,roads,works,"1,5"\n')
    assert "it could be 1.5 or 15" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,roads,works,10,50\n")
    assert "row 2: it has 5 cells for 4 columns" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount,amount\nFY1,roads,works,10,50\n")
    assert "there are two columns 'amount'" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,amount\n")
    assert "'unit' is missing" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount,colour\n")
    assert "no column 'colour'" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,roads,nowhere,5\n")
    assert "no unit 'nowhere'" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    assert "error" in run("draft", "p", "none.csv", "--as", "ann", "--title", "x", code=2)


def test_what_has_not_lapsed_does_not_expire(run):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    assert "It never expires." in run("expire", "p", "--as", "ann", code=2)


def test_nobody_else_edits(run, tmp_path):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    (tmp_path / "items.csv").write_text(ITEMS.replace("300", "400"))
    assert "Only ann" in run("edit", "p", "items.csv", "--as", "hal", code=2)


def test_a_risk_that_is_no_band_and_an_id_that_leads_elsewhere_are_refused(run, shown, tmp_path):
    draft = ("items.csv", "--as", "ann", "--title", "Spring")
    assert "'../x' is no id of a proposal" in run("draft", "../x", *draft, code=2)
    run("draft", "any", *draft, "--risk", "purple")  # The matrix has no bands.
    matrix = (tmp_path / "matrix.yaml").read_text()
    (tmp_path / "bands.yaml").write_text(matrix.replace("rolling_days: 0", "rolling_days: 0\nrisk_bands: [low, high]"))
    run("policy", "adopt", "bands.yaml", "--as", "root")
    assert "'purple' is none of the authority matrix: low, high" in run(
        "draft", "p", *draft, "--risk", "purple", code=2
    )
    run("draft", "p", *draft, "--risk", "low")
    assert shown("p")["content"]["risk"] == "low"
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,ro\x01ads,works,5\n")
    assert "holds a character that is not shown" in run("draft", "q", "bad.csv", "--as", "ann", "--title", "x", code=2)
