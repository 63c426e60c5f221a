"""The log as one file, for pages and programs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from fiscus.web.visits import Visit
from fiscus.workflow.audit.export import write_export
from fiscus.workflow.canonical import timestamp

CHUNK = 1 << 16


def whole_log(visit: Visit) -> Response:
    """The log as one file that a second machine verifies.

    Raises:
        NotYours: Unless they audit.
    """
    visit.must_audit()
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    with visit.read() as reader:
        write_export(reader, file, timestamp(visit.at))
    file.seek(0)
    headers = {"content-disposition": 'attachment; filename="fiscus-log.jsonl"'}
    return StreamingResponse(_chunks(file), media_type="application/jsonl", headers=headers)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
