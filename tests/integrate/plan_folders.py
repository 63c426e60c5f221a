"""A good plan folder for tests to break."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "plan.yaml": """\
name: Test plan
currency: USD
periods: [FY1, FY2]
budget: {FY1: 1000, FY2: 1200}
units: units.csv
lines: lines.csv
rules: rules.yaml
scenarios: scenarios.csv
""",
    "units.csv": """\
id,parent,name,floor,cap,target
city,,City,,,
north,city,North,100,700,500
south,city,South,,800,
""",
    "lines.csv": """\
id,unit,name,prior,ask,floor,weight,priority,curve,a,h,p,points,lumpy,min_ticket,retention,theme
roads,north,Roads,200,400,50,1,1,log,90,150,,,,,,grey
parks,north,"Parks, and
gardens",100,300,,1.2,2,saturating,80,100,,,,,0.2,green
bus,south,Bus,150,500,,1,1,hill,120,200,2,,,,,green
school,south,School,300,600,,1,1,piecewise,1,,,0:0;200:180;600:300,,,,grey
clinic,south,Clinic,0,250,,1,3,step,150,,,,true,,,grey
""",
    "rules.yaml": """\
- id: green
  kind: share
  text: A quarter is green
  tag: {theme: green}
  floor: 0.25
- id: steady
  kind: change
  node: south
  up: 2.0
- id: clinic-needs-school
  kind: requires
  line: clinic
  needs: school
""",
    "scenarios.csv": """\
scenario,probability,period,line,factor
good,0.4,,,1.1
bad,0.6,FY2,roads,0.7
""",
}


def write_good_plan(folder: Path) -> Path:
    """A plan folder without findings."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder
