"""``fiscus init``: a plan folder that solves as it stands, and help for every column from the model's own metadata."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fiscus.core.assemble import LINE_COLUMNS, UNIT_COLUMNS
from fiscus.core.fields import Column
from fiscus.core.rules import kinds
from fiscus.core.scenario_table import SCENARIO_COLUMNS
from fiscus.core.settings import PlanSettings
from fiscus.errors import InvalidInput
from fiscus.integrate.shipped import shipped_plan

TEMPLATE = "template"


def write_plan(directory: Path, name: str = TEMPLATE) -> list[Path]:
    """Write the template, or a copy of a shipped plan.

    Args:
        directory: Folder to make; files of the plan must not be there yet.
        name: ``template`` or a shipped plan's name.

    Returns:
        The files written.

    Raises:
        InvalidInput: When a file is there already, or no plan has the name.
    """
    if name == TEMPLATE:
        contents = {**_FILES, "FIELDS.md": field_help()}
        names = list(contents)
    else:
        source = shipped_plan(name)
        names = [path.name for path in sorted(source.iterdir()) if path.is_file()]
    if directory.exists() and not directory.is_dir():
        raise InvalidInput(f"{directory} is a file; name a folder")
    taken = [each for each in names if (directory / each).exists()]
    if taken:
        raise InvalidInput(f"{directory} already holds {', '.join(taken)}; name another folder")
    directory.mkdir(parents=True, exist_ok=True)
    for each in names:
        if name == TEMPLATE:
            (directory / each).write_text(contents[each], encoding="utf-8", newline="\n")
        else:
            shutil.copyfile(source / each, directory / each)
    return [directory / each for each in names]


def field_help() -> str:
    """Every key and column with its unit, default and meaning, as Markdown."""
    parts = ["# Fields\n", "Columns that are not listed are kept as tags. An empty cell means the default.\n"]
    for title, columns in (
        ("units.csv", UNIT_COLUMNS),
        ("lines.csv", LINE_COLUMNS),
        ("scenarios.csv", SCENARIO_COLUMNS),
    ):
        parts.append(f"\n## {title}\n\n| column | meaning | unit | default |\n|---|---|---|---|\n")
        parts += [_column_row(name, column) for name, column in columns.items()]
    parts.append("\n## plan.yaml\n\n| key | meaning | default |\n|---|---|---|\n")
    for name, info in PlanSettings.model_fields.items():
        default = "" if info.default is None else f"`{_plain(info.default)}`"
        parts.append(f"| `{name}` | {info.description} | {default} |\n")
    parts.append(
        "\n## rules.yaml\n\nEvery rule has `id`, `kind`, `text`, `owner`, `hard`, `penalty`, `mandatory` and `periods`, "
        "and keys of its kind.\n"
    )
    common = {"id", "text", "owner", "hard", "penalty", "mandatory", "periods"}
    for kind, rule in sorted(kinds().items()):
        lead = (rule.__doc__ or "").strip().splitlines()[0]
        parts.append(f"\n**{kind}**: {lead}\n\n")
        parts += [f"- `{name}`: {info.description}\n" for name, info in rule.model_fields.items() if name not in common]
    return "".join(parts)


def _column_row(name: str, column: Column) -> str:
    default = (
        "required" if column.default is None else "none" if column.default == "none" else f"`{_plain(column.default)}`"
    )
    if column.default == "":
        default = "empty"
    choices = f" One of {', '.join(column.choices)}." if column.choices else ""
    varying = f" May vary: `{name}@PERIOD`." if column.per_period else ""
    return f"| `{name}` | {column.help}{choices}{varying} | {column.unit} | {default} |\n"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else ", ".join(value) if isinstance(value, tuple) else str(value)


_FILES: Mapping[str, str] = {
    "plan.yaml": """\
# A plan: a budget, who may ask for it, and the rules. Solve it with: fiscus solve . --out run
name: Departmental budget
currency: USD
periods: [FY2027]            # list of names; amounts may vary by period
budget: {FY2027: 10000000}   # one number, or one per period: total spend is at most this
method: optimise             # top_down | bottom_up | hybrid | optimise | incremental | zero_based
spend_weight: 0              # 0: benefit of a fixed budget; 1: net present value
discount_rate: 0.0           # per period, a fraction
opening_cash: null           # with reserve and carry_over: a working-capital account
reserve: 0
carry_over: 0
units: units.csv             # .csv, .xlsx or .parquet
lines: lines.csv
rules: rules.yaml
scenarios: null              # or a table: scenario, probability, period, line, factor
risk: null                   # or cvar:0.95, with aversion: 0.5
aversion: 0
""",
    "units.csv": """\
id,parent,name,floor,cap,target
company,,Company,,,
ops,company,Operations,2500000,4500000,4000000
rnd,company,Research and development,1500000,3500000,2500000
sales,company,Sales and marketing,,3000000,2200000
it,company,Information technology,800000,,1300000
""",
    "lines.csv": """\
id,unit,name,prior,ask,floor,weight,priority,curve,a,h,p,points,lumpy,min_ticket,growth_theme
maintenance,ops,Plant maintenance,1800000,2200000,1500000,1,1,log,2200000,1500000,,,,,no
automation,ops,Line automation,900000,1900000,,1.1,2,hill,2400000,1100000,2,,,,yes
logistics,ops,Logistics,1100000,1300000,600000,1,2,saturating,1500000,700000,,,,,no
platform,rnd,Product platform,1500000,2300000,,1.3,1,log,2000000,1200000,,,,,yes
lab,rnd,New laboratory,0,1400000,,1.2,3,step,2600000,,,,true,,yes
studies,rnd,Studies,500000,800000,,1,3,power,900,,0.5,,,50000,yes
brand,sales,Brand,800000,1200000,,0.9,3,saturating,1100000,500000,,,,,no
field,sales,Field sales,1300000,1700000,700000,1,1,piecewise,1,,,0:0;700000:1000000;1700000:1500000,,,no
security,it,Security,600000,900000,500000,1.2,1,log,1300000,400000,,,,,no
cloud,it,Cloud migration,400000,1000000,,1,2,capped,1.4,600000,,,,100000,yes
""",
    "rules.yaml": """\
# A list of rules. Every kind and key is explained in FIELDS.md.
- id: growth-share
  kind: share
  text: At least a third of the money goes to growth themes
  owner: Chief executive
  tag: {growth_theme: "yes"}
  floor: 0.333
- id: steady-sales
  kind: change
  text: Sales and marketing moves by at most a quarter against last year
  owner: Head of sales
  node: sales
  down: 0.25
  up: 0.25
- id: lab-needs-platform
  kind: requires
  text: The new laboratory is only of use with the product platform
  owner: Head of research
  line: lab
  needs: platform
- id: lean-change
  kind: turnover
  text: Moving more than 4.5 million between lines in a year strains the organisation
  owner: Finance
  cap: 4500000
  hard: false
  penalty: 0.05
""",
    "README.md": """\
# Departmental budget

A template: ten requests of four departments, more than the ten million there are. Change the tables, then

    fiscus check .
    fiscus solve . --out run

`FIELDS.md` explains every column, key and kind of rule.
""",
}
