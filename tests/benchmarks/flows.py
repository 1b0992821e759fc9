"""Apps that launch and refresh, a process of its own: keep-alive connections that each begin again when they are through.

Reads from standard input a JSON object {host, port, connections, seconds, warmup, kind: "launch" | "refresh", client,
redirect, scope, base, cookie}, writes to standard output {count, seconds, errors, all, latencies: [seconds], sample}, `all` with the warm-up. A
launch is what a browser and its app do together when the person is signed in and has consented before: authorize,
continue, code, token (https://hl7.org/fhir/smart-app-launch/app-launch.html).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvloop


class Refused(Exception):
    """The server did not answer as a launch goes on."""


class Connection:
    """One browser and the app in it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.browser = secrets.token_urlsafe(32)
        self.refresh = ""

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.order["host"], self.order["port"])

    async def launch(self) -> None:
        """From the app's request to its token."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.order["client"],
            "redirect_uri": self.order["redirect"],
            "scope": self.order["scope"],
            "state": secrets.token_urlsafe(8),
            "aud": self.order["base"],
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        place = await self._led("/auth/authorize?" + urlencode(asked))
        code = parse_qs(urlsplit(await self._led(place)).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.order["redirect"]}
        await self._token({**form, "client_id": self.order["client"], "code_verifier": verifier})

    async def refreshed(self) -> None:
        """A refresh token for the next."""
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh, "client_id": self.order["client"]}
        await self._token(form)

    async def _led(self, path: str) -> str:
        cookies = f"browser={self.browser}; session={self.order['cookie']}"
        status, headers, _ = await self._ask(f"GET {path} HTTP/1.1\r\nCookie: {cookies}\r\n")
        if status != 303 or "error=" in headers["location"]:
            raise Refused(f"{status} {headers.get('location', '')}")
        return headers["location"]

    async def _token(self, form: dict[str, str]) -> None:
        body = urlencode(form)
        head = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        status, _, answer = await self._ask(f"POST /auth/token HTTP/1.1\r\n{head}", body)
        if status != 200:
            raise Refused(answer.decode("utf-8", "replace"))
        self.refresh = json.loads(answer).get("refresh_token", "")

    async def _ask(self, head: str, body: str = "") -> tuple[int, dict[str, str], bytes]:
        self.writer.write(f"{head}Host: {self.order['host']}:{self.order['port']}\r\n\r\n{body}".encode())
        line, *rows = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        answer = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(line.split()[1]), headers, answer


async def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Everybody at once for so many seconds."""
    found: dict[str, Any] = {"latencies": [], "errors": 0, "all": 0, "sample": ""}
    began = time.perf_counter() + order["warmup"]
    ends = began + order["seconds"]

    async def one() -> None:
        connection = Connection(order)
        await connection.open()
        await connection.launch()
        step = connection.launch if order["kind"] == "launch" else connection.refreshed
        while (at := time.perf_counter()) < ends:
            try:
                await step()
            except Refused as refusal:
                found["errors"] += 1
                found["sample"] = str(refusal)[:600]
                return
            found["all"] += 1
            if began <= at:
                found["latencies"].append(time.perf_counter() - at)

    await asyncio.gather(*(one() for _ in range(order["connections"])))
    return {**found, "count": len(found["latencies"]), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    json.dump(uvloop.run(measure(json.load(sys.stdin))), sys.stdout)
