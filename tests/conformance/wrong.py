"""Servers that are wrong in one place: this project's own, with something changed on the way in or out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
#: What a wrong server does with a request, given the right one.
Wrong = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]
Tree = dict[str, Any]


class WrongServer(httpx.AsyncBaseTransport):
    """The right server behind `right`, with what is wrong about it."""

    def __init__(self, right: httpx.AsyncBaseTransport, wrong: Wrong) -> None:
        self._right = right
        self._wrong = wrong

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._wrong(request, self._forward)

    async def _forward(self, request: httpx.Request) -> httpx.Response:
        answer = await self._right.handle_async_request(request)
        await answer.aread()
        return answer


def _query(request: httpx.Request) -> list[tuple[str, str]]:
    return parse_qsl(request.url.query.decode(), keep_blank_values=True)


def _remade(request: httpx.Request, **changed: Any) -> httpx.Request:
    headers = [(k, v) for k, v in request.headers.raw if k.lower() not in (b"content-length", b"host")]
    given: dict[str, Any] = {"method": request.method, "url": request.url, "headers": headers}
    return httpx.Request(**{**given, "content": request.content, **changed})


def _answer(answer: httpx.Response, **changed: Any) -> httpx.Response:
    headers = [(k, v) for k, v in answer.headers.raw if k.lower() not in (b"content-length", b"transfer-encoding")]
    given: dict[str, Any] = {"status_code": answer.status_code, "headers": headers, "content": answer.content}
    return httpx.Response(**{**given, **changed})


def deaf_to(name: str) -> Wrong:
    """Passes over a search parameter, in the URL or in a form."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        kept = urlencode([(k, v) for k, v in _query(request) if k != name])
        url = request.url.copy_with(query=kept.encode() or None)
        if request.headers.get("content-type") == "application/x-www-form-urlencoded":
            form = parse_qsl(request.content.decode(), keep_blank_values=True)
            return await forward(_remade(request, url=url, content=urlencode([p for p in form if p[0] != name])))
        return await forward(_remade(request, url=url))

    return wrong


def deaf_to_header(name: str) -> Wrong:
    """Passes over a header of the request."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        kept = [(k, v) for k, v in request.headers.raw if k.decode().lower() != name.lower()]
        return await forward(_remade(request, headers=kept))

    return wrong


def without_header(name: str) -> Wrong:
    """Leaves a header out of its answers."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        answer = await forward(request)
        return _answer(answer, headers=[(k, v) for k, v in answer.headers.raw if k.decode().lower() != name.lower()])

    return wrong


def status(said: int, instead: int, method: str = "") -> Wrong:
    """Says one status in place of another, of one method only where it is given; 400 stands for every refusal."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        answer = await forward(request)
        alike = answer.status_code == said or (said == 400 and answer.status_code >= 400)
        return _answer(answer, status_code=instead) if alike and method in ("", request.method) else answer

    return wrong


def without_body(said: int) -> Wrong:
    """Says nothing beside that status."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        answer = await forward(request)
        return _answer(answer, content=b"") if answer.status_code == said else answer

    return wrong


def idle(method: str, code: int = 200) -> Wrong:
    """Says that all went well, with the resource as it is, and does nothing."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.method != method:
            return await forward(request)
        as_it_is = await forward(_remade(request, method="GET", content=b""))
        return _answer(as_it_is, status_code=code) if as_it_is.status_code == 200 else httpx.Response(code)

    return wrong


def saying(type: str, change: Callable[[Tree], Any]) -> Wrong:
    """Changes the resources of a type that it answers with."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        answer = await forward(request)
        if "json" not in answer.headers.get("content-type", ""):
            return answer
        tree = json.loads(answer.content) if answer.content else {}
        if tree.get("resourceType") != type:
            return answer
        change(tree)
        return _answer(answer, content=json.dumps(tree).encode())

    return wrong


def leading(path: str, instead: str) -> Wrong:
    """Takes one path for another."""

    async def wrong(request: httpx.Request, forward: Forward) -> httpx.Response:
        url = request.url.copy_with(path=request.url.path.replace(path, instead))
        return await forward(_remade(request, url=url))

    return wrong
