"""Statements that write, each between two places where a test may have the process killed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from fiscus.workflow.store.failpoints import reach
from fiscus.workflow.store.rows import pyformat

IN_TRANSACTION = 2
"""``PQTRANS_INTRANS`` of libpq: inside a transaction in which nothing failed."""


def sound(connection: Any, dialect: str) -> bool:
    """Whether a transaction can still be committed: databases give some up by themselves."""
    if dialect == "sqlite":
        return bool(connection.in_transaction)
    return int(connection.info.transaction_status) == IN_TRANSACTION


def in_one_go(connection: Any, dialect: str) -> AbstractContextManager[Any]:
    """Inside it, statements are sent one after another and their answers awaited at the end, where the server is another process."""
    return nullcontext() if dialect == "sqlite" or not _pipelines() else connection.pipeline()


@cache
def _pipelines() -> bool:
    import psycopg

    return psycopg.Pipeline.is_supported()


def write_one(connection: Any, dialect: str, place: str, statement: str, values: Sequence[Any] = ()) -> Any:
    """Execute a statement; gives a cursor.

    Args:
        connection: Of the driver, inside a transaction.
        dialect: ``sqlite`` or ``postgresql``.
        place: One of ``failpoints.STATEMENTS``.
        statement: With ``?`` for parameters.
        values: Of the parameters.
    """
    reach(f"before.{place}")
    cursor = connection.execute(statement if dialect == "sqlite" else pyformat(statement), values)
    reach(f"after.{place}")
    return cursor


def write_all(connection: Any, dialect: str, place: str, statement: str, given: Sequence[tuple[Any, ...]]) -> None:
    """Execute a statement for every row; arguments as of ``write_one``."""
    if not given:
        return
    if len(given) == 1:
        write_one(connection, dialect, place, statement, given[0])
        return
    reach(f"before.{place}")
    if dialect == "sqlite":
        connection.executemany(statement, given)
    else:
        with connection.cursor() as cursor:  # In pipeline mode: the server is not waited for between rows.
            cursor.executemany(pyformat(statement), given)
    reach(f"after.{place}")
