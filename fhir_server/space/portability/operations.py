"""One's data as one file, over REST: asked for, looked after, downloaded.

https://fhir-server.example/OperationDefinition/Patient-export-record, Patient-export-status and Patient-export-archive.
https://hl7.org/fhir/R4/async.html: 202 with `Content-Location`, where 202 says that it goes on and 200 where the file
is. RFC 9110 §14: the file is downloaded in parts where the line is bad.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import msgspec

from fhir_server.fhir.json import instant, serialize
from fhir_server.fhir.outcome import InvalidParameter, NotFound
from fhir_server.interactions import ranges
from fhir_server.interactions.exchange import FHIR_JSON, Context, Response, Stream
from fhir_server.operations.invocation import Invocation
from fhir_server.space.portability import keeping
from fhir_server.space.portability.keeping import Export
from fhir_server.space.portability.packing import lines
from fhir_server.space.portability.preparing import Exports
from fhir_server.space.portability.sight import person
from fhir_server.store.content import Content
from fhir_server.store.protocol import Version

#: Seconds after which it is worth looking again.
_AGAIN = "30"
_NO_STORE = {"Cache-Control": "no-store"}


async def ask(here: Exports, call: Invocation, context: Context) -> Response:
    """202 with `Content-Location`: it is being prepared; with the action `end`, that it is no more.

    One export of a patient is under way for a person at a time: asked for again, it is the same. One that was ready
    gives way to a new one.

    Raises:
        Forbidden, NotFound: as `sight.person`; there is nothing to end.
        InvalidParameter: there is no such action (400).
    """
    patient = call.id or ""
    who = await _who(context, patient)
    action = call.inputs.one("action") or "start"
    if action not in ("start", "end"):
        raise InvalidParameter(f"The action is start or end, not {action[:64]}.", "http.action")
    records = here.around.records
    if action == "end":
        export = await _there(here, who, patient)
        while not await keeping.end(records, export):
            export = await _there(here, who, patient)
        await asyncio.to_thread(here.remove, export.id)
        return Response(202, headers=_NO_STORE)
    _, before = await keeping.ask(records, who, patient, context.base, int(datetime.now(UTC).timestamp() * 1000))
    if before:
        await asyncio.to_thread(here.remove, before)
    return Response(202, headers={"Content-Location": _address(context, patient, "status"), **_NO_STORE})


async def status(here: Exports, call: Invocation, context: Context) -> Response:
    """202 with how far it is in `X-Progress`, 200 with where the file is, 500 where it could not be made.

    Raises:
        Forbidden, NotFound: as `sight.person`; nothing was asked for, or it has ended.
    """
    patient = call.id or ""
    export = await _there(here, await _who(context, patient), patient)
    if export.under_way:
        said = f"{export.done}/{export.of}" if export.of else export.state
        return Response(202, headers={"X-Progress": said, "Retry-After": _AGAIN, **_NO_STORE})
    if export.state == "failed":
        issue = {"severity": "error", "code": "exception", "diagnostics": "It could not be prepared; ask for it again."}
        return Response(500, serialize({"resourceType": "OperationOutcome", "issue": [issue]}), FHIR_JSON)
    file = {
        "type": "Binary",
        "url": _address(context, patient, "archive"),
        "contentType": "application/zip",
        "size": export.size,
        "sha256": export.sha256,
    }
    told = {
        "transactionTime": instant(export.ready),
        "request": _address(context, patient, "record"),
        "requiresAccessToken": not context.repository.grant.own,
        "output": [file],
        "error": [],
    }
    headers = {"Expires": formatdate(export.ends // 1000, usegmt=True), **_NO_STORE}
    return Response(200, msgspec.json.encode(told), "application/json", headers=headers)


async def archive(here: Exports, call: Invocation, context: Context) -> Response:
    """200 with the ZIP, or 206 with the bytes of it that are asked for.

    Raises:
        Forbidden, NotFound: as `status`; it is not ready.
        Unsatisfiable: the range asked for is outside of it (416).
    """
    patient = call.id or ""
    export = await _there(here, await _who(context, patient), patient)
    path = here.path(export.id)
    if export.state != "ready" or not await asyncio.to_thread(path.is_file):
        raise _none()
    # Its tag is of this export alone, so that parts of two are never put together (RFC 9110 §13.1.5).
    named = Version("Binary", export.id, export.asked, export.ready, "PUT", b"", b"")
    part = ranges.asked(call.request, named, export.size)
    first, end = (0, export.size) if part is None else (part.first, part.end)
    headers = {
        "Content-Disposition": 'attachment; filename="mon-espace-sante.zip"',
        "Accept-Ranges": "bytes",
        **_NO_STORE,
        **({} if part is None else {"Content-Range": part.said}),
    }
    stream = Stream(Content("", export.size, export.sha256, 0), first, end, opened=_OpenedZip(path, first, end))
    return Response(
        200 if part is None else 206,
        media_type="application/zip",
        version=named.version,
        at=named.at,
        headers=headers,
        strong=True,
        stream=stream,
    )


class _OpenedZip:
    """`store.blobs.protocol.Opened`, of a file that is no blob; it is opened when its first byte is asked for."""

    def __init__(self, path: Path, first: int, end: int) -> None:
        self._path, self._first, self._end = path, first, end

    def pieces(self) -> AsyncIterator[bytes]:
        """As `Opened.pieces`."""
        return lines(self._path, self._first, self._end)

    def close(self) -> None:
        """Nothing is open before it is read."""


async def _who(context: Context, patient: str) -> str:
    """As `sight.person`; the Patient is read, so that the trace is one of theirs."""
    who = await person(context.repository, patient)
    await context.repository.read("Patient", patient)
    return who


async def _there(here: Exports, who: str, patient: str) -> Export:
    export = await keeping.of(here.around.records, who, patient)
    if export is None or (export.ends and export.ends <= datetime.now(UTC).timestamp() * 1000):
        raise _none()
    return export


def _none() -> NotFound:
    return NotFound("There is no such export.")


def _address(context: Context, patient: str, name: str) -> str:
    return f"{context.base}/Patient/{patient}/$export-{name}"
