"""Log lines for people or machines, none of which can hold a patient's data: paths carry `{id}`, never values.

https://www.structlog.org
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.settings import Settings


def configure(settings: Settings) -> None:
    """Write structured lines to standard error at the level and in the form of the settings."""
    _structured.settings = settings
    logging.basicConfig(level=_level(settings), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)
    _requests.open(settings.log_format == "json", settings.log_level in ("debug", "info"))
    # uvicorn's own access log writes whole URLs, and URLs of searches hold what is searched for.
    logging.getLogger("uvicorn.access").disabled = True
    # So does httpx, of what the server itself asks: one-time words of identity providers, codes of other servers.
    logging.getLogger("httpx").setLevel(max(_level(settings), logging.WARNING))


def logger(name: str) -> Logger:
    """A structured logger whose lines say which part of the server wrote them."""
    return Logger(name)


class Logger:
    """Writes lines of one part; the library is imported with the first line, which a start may never write."""

    def __init__(self, part: str) -> None:
        """`part`: of the server."""
        self._part = part

    def info(self, event: str, **fields: Any) -> None:
        """A line of what is usual."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """A line of what should be looked at."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """A line of what failed."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _structured.wants(level):
            getattr(_structured.get(self._part), level)(event, **fields)


class _StandardError:
    """Standard error as it is when a line is written: what it was with the first line may be closed by then."""

    def write(self, text: str) -> int:
        """Write text, a line or a part of one; how many characters that is."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Have what was written leave the buffer."""
        sys.stderr.flush()


_STANDARD_ERROR: Any = _StandardError()


class _Structured:
    """structlog, configured when it is first used."""

    settings: Settings | None = None
    _configured: Settings | None = None

    def wants(self, level: str) -> bool:
        """Whether lines of that level are written: asked first, since the library brings much along."""
        return self.settings is None or logging.getLevelNamesMapping()[level.upper()] >= _level(self.settings)

    def get(self, part: str) -> Any:
        import structlog

        if self.settings is not self._configured and self.settings is not None:
            structlog.configure(
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.JSONRenderer(serializer=_json)
                    if self.settings.log_format == "json"
                    else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
                ],
                wrapper_class=structlog.make_filtering_bound_logger(_level(self.settings)),
                logger_factory=structlog.WriteLoggerFactory(file=_STANDARD_ERROR),
                cache_logger_on_first_use=True,
            )
            self._configured = self.settings
        return structlog.get_logger(part=part)


_structured = _Structured()


def request(request_id: str, method: str, path: str, interaction: str, status: int, seconds: float) -> None:
    """Write the line of one request that was answered.

    Args:
        request_id: as the answer's header says it.
        method: of HTTP.
        path: its template, never a value of the client's.
        interaction: FHIR's name of it.
        status: of HTTP.
        seconds: it took.
    """
    _requests.write(
        {
            "part": "http",
            "request_id": request_id,
            "method": method,
            "path": path,
            "interaction": interaction,
            "status": status,
            "ms": round(seconds * 1000, 2),
        }
    )


class _Requests:
    """The lines of requests: there is one for each, so they are put together by hand and written many at a time."""

    #: How long a line may wait, in seconds, and how many may.
    LONGEST_WAIT = 0.2
    MOST = 500

    def __init__(self) -> None:
        self._open = False
        self._machine = False
        self._wanted = True
        self._lines: list[str] = []

    def open(self, machine: bool, wanted: bool) -> None:
        """Write lines as the settings say; until then they go the way of all others, one by one."""
        if not self._open:
            atexit.register(self.flush)
        self._open, self._machine, self._wanted = True, machine, wanted

    def write(self, fields: dict[str, str | int | float]) -> None:
        """One line, now or within `LONGEST_WAIT`."""
        if not self._open:
            import structlog

            structlog.get_logger().info("request", **fields)
            return
        if not self._wanted:
            return
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if self._machine:
            line = _json({**fields, "event": "request", "level": "info", "timestamp": moment})
        else:
            line = f"{moment} [info     ] request {' '.join([f'{name}={value}' for name, value in fields.items()])}"
        self._lines.append(line)
        if len(self._lines) >= self.MOST:
            self.flush()
        elif len(self._lines) == 1:
            asyncio.get_running_loop().call_later(self.LONGEST_WAIT, self.flush)

    def flush(self) -> None:
        """Write the lines that wait, all in one piece."""
        if self._lines:
            text = "\n".join([*self._lines, ""])
            self._lines.clear()
            sys.stderr.write(text)
            sys.stderr.flush()


_requests = _Requests()


def _level(settings: Settings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level.upper()]


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value).decode()
