"""Websockets of a server as it is served: two workers, without tokens. What one numbers the other tells."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from fhir_server.interactions.statement import WEBSOCKET
from tests.server.process import open_serving
from tests.subscriptions.sockets import by_socket, closed, heard, opened
from tests.subscriptions.world import until

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.asyncio
async def test_each_worker_tells_its_sockets_and_a_stop_ends_them(tmp_path: Path) -> None:
    """Also RFC 6455 §7.4.1: 1012, the service is restarted."""
    with open_serving(tmp_path / "data", FHIR_WORKERS="2") as served:
        port = urlsplit(served.base).port or 0
        async with httpx.AsyncClient(timeout=60) as http, AsyncExitStack() as stack:
            rest = (await http.get(f"{served.base}/metadata")).json()["rest"][0]
            assert {"url": WEBSOCKET, "valueUri": f"ws://127.0.0.1:{port}/websocket"} in rest["extension"]
            made = await http.post(f"{served.base}/Subscription", json=by_socket("Basic?code=told"))
            assert made.status_code == 201, made.text
            id = made.json()["id"]

            async def active() -> bool:
                return bool((await http.get(f"{served.base}/Subscription/{id}")).json()["status"] == "active")

            await until(active)
            # Which worker takes a connection is the system's choice: among so many, each has some.
            sockets = [await stack.enter_async_context(opened(port)) for _ in range(12)]
            for socket in sockets:
                await socket.send(f"bind {id}")
                assert await heard(socket) == f"bound {id}"
            for _ in range(2):
                tree = {"resourceType": "Basic", "code": {"coding": [{"code": "told"}]}}
                assert (await http.post(f"{served.base}/Basic", json=tree)).status_code == 201
                for socket in sockets:
                    assert await heard(socket) == f"ping {id}"
            metrics = (await http.get(f"{served.root}/metrics")).text
            assert re.search(r"^fhir_websockets(\{.*\})? \S+$", metrics, re.M), metrics
            # Without tokens any page could listen, by whatever name it calls this machine.
            for what, status in (({"Origin": "https://evil.example"}, 403), ({"Host": "evil.test"}, 421)):
                rows = {"Host": f"127.0.0.1:{port}", **HANDSHAKE, **what}
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    "".join(
                        ["GET /websocket HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in rows.items()), "\r\n"]
                    ).encode()
                )
                assert int((await asyncio.wait_for(reader.readline(), 20)).split()[1]) == status, what
                writer.close()
            served.process.terminate()
            assert {(await closed(socket))[0] for socket in sockets} == {1012}
