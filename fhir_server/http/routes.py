"""Routes that are not FHIR's own: method, path and what answers one request. https://www.starlette.io/routing/

Starlette's own, since what answers here reads its request itself: nothing is to be injected, checked or described.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route

Answers = Callable[[Request], Awaitable[Response]]


class Routes:
    """A list of routes in the making.

    Attributes:
        listed: in the order they are tried.
    """

    def __init__(self) -> None:
        """None yet."""
        self.listed: list[BaseRoute] = []

    def add(self, path: str, answers: Answers, methods: Iterable[str] = ("GET",)) -> None:
        """What answers at `path`, in which a part to fill in stands in braces."""
        self.listed.append(_Route(path, answers, methods=list(methods)))

    def get(self, path: str) -> Callable[[Answers], Answers]:
        """What is decorated answers GET at `path`."""

        def added(answers: Answers) -> Answers:
            self.add(path, answers)
            return answers

        return added

    def mount(self, path: str, application: Any, name: str) -> None:
        """Whatever is under `path` is the application's to answer."""
        self.listed.append(Mount(path, application, name=name))


class _Route(Route):
    """One that is known by its own path in what is logged, not by the address asked for."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """As Starlette's."""
        match, child = super().matches(scope)
        return match, {**child, "route": self} if match is not Match.NONE else child
