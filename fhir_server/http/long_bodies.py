"""Conversions of long bodies, away from the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fhir_server.fhir.outcome import TooCostly, Unavailable
from fhir_server.work.beside import Busy, Ended, Lost, aside

T = TypeVar("T")


async def conversion(function: Callable[..., T], *args: Any) -> T:
    """What `function`, which a module defines, makes of `args`; in the process beside this one, where there is one.

    Raises:
        Unavailable: too much is waiting for it, or it ended (503).
        TooCostly: it takes longer than it may (400).
        FhirError: as `function`.
    """
    try:
        return await aside(function, *args)
    except Busy:
        raise Unavailable("Too many long requests at once.", headers={"Retry-After": "5"}) from None
    except Lost:
        raise Unavailable("The process that did this has ended.", headers={"Retry-After": "1"}) from None
    except Ended:
        raise TooCostly("The body takes too long to convert.") from None
