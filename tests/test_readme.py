"""What the README shows is what the program prints today."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fiscus.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PYTHON = re.compile(r"```python\n(.*?)```\n(?:\n```output\n(.*?)\n```)?", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def test_python_blocks_run_and_print_what_they_show():
    space: dict[str, object] = {}
    blocks = PYTHON.findall(README)
    assert len(blocks) >= 4
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), space)
        if shown:
            assert printed.getvalue().strip() == shown


@pytest.mark.parametrize("block", CONSOLE.findall(README))
def test_console_blocks_print_what_they_show(block, tmp_path, monkeypatch):
    """A line of dots stands for more output."""
    monkeypatch.chdir(tmp_path)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0
        printed = [line.rstrip() for line in result.output.splitlines()]
        wanted = [line.rstrip() for line in shown.splitlines()]
        if wanted and wanted[-1] == "...":
            wanted.pop()
            printed = printed[: len(wanted)]
        assert printed == wanted
