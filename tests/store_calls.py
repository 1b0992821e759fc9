"""Counts what a server asks of its store: each call is a journey, once the store is far away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fhir_server import app
from fhir_server.store.engine import Engine


class Counting:
    """One half of an engine, that notes the name of each call and what it was about."""

    def __init__(self, inner: Any, calls: list[str], name: str) -> None:
        self._inner = inner
        self._calls = calls
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        # Making an id is no journey.
        if not callable(found) or name == "new_id":
            return found

        def called(*arguments: Any, **named: Any) -> Any:
            self._calls.append(f"{self._name}.{name} {_about(arguments)}".rstrip())
            return found(*arguments, **named)

        return called


def _about(arguments: tuple[Any, ...]) -> str:
    first = arguments[0] if arguments else ""
    if isinstance(first, str):
        return first
    return ",".join(map(_kind, first)) if isinstance(first, dict | list) else ""


def _kind(one: Any) -> str:
    """Of a place, a change, a write or a type: what kind of thing it is about."""
    return (
        str(one[0])
        if isinstance(one, tuple)
        else one
        if isinstance(one, str)
        else getattr(one, "kind", one.__class__.__name__)
    )


class CountingEngine:
    """An engine whose calls are noted."""

    def __init__(self, inner: Engine, calls: list[str]) -> None:
        self._inner = inner
        self.store = Counting(inner.store, calls, "store")
        self.records = Counting(inner.records, calls, "records")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The calls that servers opened from now on make of their stores, in order."""
    calls: list[str] = []
    real: Callable[..., Engine] = app.open_engine
    monkeypatch.setattr(app, "open_engine", lambda *a, **k: CountingEngine(real(*a, **k), calls))
    yield calls
