"""Log lines for people or machines, none of which can hold a patient's data: paths carry `{id}`, never values.

https://www.structlog.org
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog

from fhir_server.settings import Settings


def configure(settings: Settings) -> None:
    """Write structured lines to standard error at the level and in the form of the settings."""
    machine = settings.log_format == "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json)
            if machine
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=_level(settings), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)
    # uvicorn's own access log writes whole URLs, and URLs of searches hold what is searched for.
    logging.getLogger("uvicorn.access").disabled = True


def logger(name: str) -> Any:
    """A structured logger whose lines say which part of the server wrote them."""
    return structlog.get_logger(part=name)


def _level(settings: Settings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level.upper()]


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value).decode()
