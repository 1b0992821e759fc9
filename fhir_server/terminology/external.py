"""Another terminology server, asked for what is not here: only the one that the settings name, and only about codes.

https://hl7.org/fhir/R4/terminology-service.html. What is sent are canonicals, codes and displays, never a resource with
a patient in it. Answers are kept beside the concepts for a time; one that is past it still stands while the server
does not answer (as RFC 5861 §4 has it). Redirects are not followed, and no address but the configured one is called.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.settings import Settings
from fhir_server.terminology.library import Library

if TYPE_CHECKING:
    import httpx

#: The operations that are asked.
Operation = Literal[
    "ValueSet/$expand",
    "ValueSet/$validate-code",
    "CodeSystem/$validate-code",
    "CodeSystem/$lookup",
    "CodeSystem/$subsumes",
    "ConceptMap/$translate",
]
Tree = dict[str, Any]
#: Bytes of an answer that are read; and questions under way at once in one worker.
LARGEST, AT_ONCE = 10_000_000, 16
#: Failures in a row after which it is left alone, and for how long at first and at most, in seconds.
FAILURES, REST_SECONDS, LONGEST_REST_SECONDS = 3, 5.0, 300.0
#: How long it is believed not to know something.
DECLINED_SECONDS = 300
#: Statuses that answer the question: the server does not know the thing, or finds the question wrong.
_REFUSALS = frozenset({400, 404, 410, 422})
_TYPES = {"ValueSet/$expand": "ValueSet"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is and how it is asked.

    Attributes:
        url: its FHIR base.
        header: `Name: value` sent with every question, "" for none.
        seconds: how long one question may take, everything included.
        keep_seconds: how long an answer is good for.
    """

    url: str
    header: str = ""
    seconds: float = 3.0
    keep_seconds: int = 86_400


def place(settings: Settings) -> Place | None:
    """Where another terminology server is, when there is one."""
    s = settings
    header = s.terminology_header.get_secret_value()
    return (
        Place(s.terminology_url, header, s.terminology_seconds, s.terminology_cache_seconds)
        if s.terminology_url
        else None
    )


class Declined(FhirError):
    """The other server answered, and does not know what it was asked about (404)."""

    status = 404
    code = "not-found"


@dataclass(slots=True)
class Breaker:
    """Leaves alone a server that failed several times in a row, each time longer; then lets one question through."""

    failures: int = 0
    _until: float = field(default=0.0)

    def require(self) -> None:
        """Refuse while it is left alone.

        Raises:
            Unavailable: says when to ask again.
        """
        left = self._until - monotonic()
        if self.failures >= FAILURES and left > 0:
            raise _down(left)
        if self.failures >= FAILURES:
            # Others wait until this one question has an answer.
            self._until = monotonic() + REST_SECONDS

    def failed(self) -> None:
        """It did not answer."""
        self.failures += 1
        if self.failures >= FAILURES:
            self._until = monotonic() + min(LONGEST_REST_SECONDS, REST_SECONDS * 2 ** min(self.failures - FAILURES, 10))

    def answered(self) -> None:
        """It answered: failures are counted anew."""
        self.failures = 0


class External:
    """The other terminology server: asked about what is not held here."""

    def __init__(self, place: Place, library: Library) -> None:
        """Nothing is sent before the first question; answers are kept where `library` keeps its concepts."""
        self._place = place
        self._base = place.url.rstrip("/")
        self._library = library
        self._breaker = Breaker()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._client: httpx.AsyncClient | None = None

    async def ask(self, operation: Operation, parameters: list[Tree]) -> Tree:
        """What it answers: Parameters, or of an expansion the ValueSet; kept before, or asked now.

        Args:
            operation: what is asked.
            parameters: rows of a Parameters resource, of canonicals, codes and displays only.

        Raises:
            Declined: it does not know the value set, code system or code (404).
            Unavailable: it is down, too slow, answers what is no answer, or was left alone for that (503).
        """
        body = serialize({"resourceType": "Parameters", "parameter": parameters})
        key = hashlib.sha256(f"{self._base} {operation} ".encode() + body).hexdigest()
        kept = self._library.concepts.answer(key)
        if kept is not None and time.time() - kept[0] < self._good_for(kept[1]):
            return _opened(kept[1])
        try:
            status, answer = await self._asked(operation, body)
        except Unavailable:
            if kept is None:
                raise
            return _opened(kept[1])
        if status not in _REFUSALS:
            answer.pop("text", None)
        value = b"" if status in _REFUSALS else serialize(answer)
        # What another writer holds up is not waited for on the event loop, and not to keep an answer loses nothing.
        with suppress(FhirError):
            await asyncio.to_thread(self._library.concepts.keep, key, int(time.time()), value)
        return _opened(value)

    @property
    def keep_seconds(self) -> int:
        """How long an answer is good for."""
        return self._place.keep_seconds

    @property
    def patience_seconds(self) -> float:
        """How long the questions of one request may take together."""
        return 2 * self._place.seconds

    def _good_for(self, value: bytes) -> int:
        # What it did not know it may come to know: a code system is loaded there after its users ask for it.
        return self.keep_seconds if value else min(self.keep_seconds, DECLINED_SECONDS)

    async def close(self) -> None:
        """Let go of its connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _asked(self, operation: Operation, body: bytes) -> tuple[int, Tree]:
        self._breaker.require()
        try:
            async with asyncio.timeout(self._place.seconds), self._turns:
                status, raw = await self._sent(f"{self._base}/{operation}", body)
            answer = _read(raw, operation, status)
        except (_NoAnswer, TimeoutError, FhirError):
            self._breaker.failed()
            raise _down(REST_SECONDS) from None
        self._breaker.answered()
        return status, answer

    async def _sent(self, url: str, body: bytes) -> tuple[int, bytes]:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=self._headers(), timeout=self._place.seconds, follow_redirects=False, trust_env=False
            )
        try:
            async with self._client.stream("POST", url, content=body) as answer:
                return answer.status_code, await _whole(answer)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _NoAnswer from error

    def _headers(self) -> Mapping[str, str]:
        name, _, value = self._place.header.partition(":")
        own = {name.strip(): value.strip()} if value.strip() else {}
        return {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json", **own}


class _NoAnswer(Exception):
    pass


async def _whole(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > LARGEST:
            raise _NoAnswer
        parts.append(part)
    return b"".join(parts)


def _read(raw: bytes, operation: Operation, status: int) -> Tree:
    """The answer, when it is one.

    Raises:
        _NoAnswer, FhirError: it is none: another status, no FHIR, or another resource.
    """
    tree = parse(raw) if raw else {}
    type = tree.get("resourceType")
    if status in _REFUSALS and type == "OperationOutcome":
        return tree
    if status != 200 or type != _TYPES.get(operation, "Parameters") or not _is_answer(tree):
        raise _NoAnswer
    return tree


def _is_answer(tree: Tree) -> bool:
    if tree["resourceType"] == "Parameters":
        rows = tree.get("parameter")
        return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    expansion = tree.get("expansion")
    contains = expansion.get("contains", []) if isinstance(expansion, dict) else None
    return isinstance(contains, list) and all(isinstance(row, dict) for row in contains)


def _opened(value: bytes) -> Tree:
    if not value:
        raise Declined("Neither this server nor the terminology server it asks knows this.")
    return parse(value)


def _down(seconds: float) -> Unavailable:
    text = "This is not known here, and the terminology server that is asked for such does not answer."
    return Unavailable(text, headers={"Retry-After": str(max(1, round(seconds)))})
