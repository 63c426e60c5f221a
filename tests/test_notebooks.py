"""Notebooks tell and never define: stored without outputs, executed here, ending in asserts."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

BOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
HANGS = 600
"""Seconds after which a cell is given up. Each notebook takes less than 60 s in all on a machine at rest, which this is no."""


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_ends_in_asserts(path, tmp_path):
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert code[-1].source.startswith(("assert", "for"))
    assert "assert" in code[-1].source
    NotebookClient(
        book, timeout=HANGS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
