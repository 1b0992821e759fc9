#!/usr/bin/env bash
# httpcore 1.0.9 asks for the module sniffio each time it needs a lock or an event, and takes its absence for asyncio. anyio
# 4 does not bring it any more, and Python does not remember that a module is not there: each time all folders of sys.path
# are looked through. Seen: 9 times for the first request of a client, half a millisecond each in an environment with a
# few hundred packages, more than all else that the request takes. Who sends many uses one client, installs sniffio, or
# something else. Fails when it is asked for less than four times a request.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check httpx==0.28.1 httpcore==1.0.9 anyio==4.16.0
cat > asked.py <<'PY'
import asyncio
import sys
from importlib.metadata import version
from importlib.util import find_spec

import httpx

asked = 0


class Counting:
    def find_spec(self, name, path=None, target=None):
        global asked
        asked += name == "sniffio"


async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as client:
        sys.meta_path.insert(0, Counting())
        await client.get(f"http://127.0.0.1:{port}/")
    server.close()


print(f"sniffio is {'there' if find_spec('sniffio') else 'not there'}", end="; ")
asyncio.run(main())
print(f"httpcore {version('httpcore')}: asked for {asked} times a request")
sys.exit(asked < 4)
PY
venv/bin/python asked.py
