"""A worker that was asked nothing yet holds nothing that only some requests need: each worker would, for as long as it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.examples import ROOT

#: Package → which requests need it. Three of them alone are 13 MB.
ONLY_FOR = {
    "authlib": "tokens and sign-in",
    "cryptography": "tokens, posted searches, links that end notices",
    "fastapi": "pages and tokens",
    "httpx": "what is fetched elsewhere, and notifications",
    "icalendar": "calendars",
    "jinja2": "pages",
    "joserfc": "tokens and sign-in",
    "lxml": "pages, XML Patch, mails, narratives that lean on their surroundings",
}
_STARTED = """
import asyncio, json, sys
from pathlib import Path

async def start():
    from fhir_server.app import opened
    from fhir_server.beside import attended
    from fhir_server.cli import serve
    from fhir_server.settings import Settings

    async with opened(Settings(data=Path(sys.argv[1]))) as house, house.attended():
        with attended(house):
            assert house.asgi is not None and not house.settings.open
            print(json.dumps(sorted(sys.modules)))

asyncio.run(start())
"""


def test_what_only_some_requests_need_is_read_when_one_comes(tmp_path: Path) -> None:
    started = [sys.executable, "-c", _STARTED, str(tmp_path)]
    done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout))
    assert {"fhir_server.app", "apsw", "msgspec"} <= modules
    assert {name: why for name, why in ONLY_FOR.items() if name in modules} == {}
