"""A code system of 100,000 concepts: its import, `$expand` with a filter and `$validate-code` on it, and the memory."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.benchmarks.servers import command, free_port, get, measure, resident, running, serving
from tests.benchmarks.timing import table, told

CONCEPTS = 100_000
URL = "http://example.org/fhir/CodeSystem/hundred-thousand"
_SYLLABLES = "ba ce di fo gu la me ni po ru sa te vi zo".split()


def terminology(base: Path, seconds: float) -> Iterator[str]:
    """The table."""
    folder = base / "terminology"
    rows = [_imported(base, folder)]
    port = free_port()
    every = quote(f"{URL}?fhir_vs")
    with running(*serving(folder, port, "--open"), port=port) as server:
        empty = resident(server)
        words = [_name(random.Random(n))[:6] for n in range(200)]
        asked = {
            "`$expand?filter=` of six letters, 20 codes": [
                get(f"/fhir/ValueSet/$expand?url={every}&filter={word}&count=20") for word in words
            ],
            "`$validate-code`": [
                get(f"/fhir/CodeSystem/$validate-code?url={quote(URL)}&code=C{n}") for n in range(0, CONCEPTS, 500)
            ],
            "`$lookup`": [
                get(f"/fhir/CodeSystem/$lookup?system={quote(URL)}&code=C{n}") for n in range(0, CONCEPTS, 500)
            ],
        }
        for name, requests in asked.items():
            found = measure(port, requests, 1, seconds, server)
            rows.append((name, f"{found.p50:.1f} ms", f"{found.p99:.1f} ms", told(found.cpu)))
        rows.append(
            ("resident memory before it, then after all that", f"{empty:.0f} MB, {resident(server):.0f} MB", "", "")
        )
    yield table((f"{CONCEPTS:,} concepts", "median", "p99", "server CPU"), rows)


def _imported(base: Path, folder: Path) -> tuple[str, str, str, str]:
    file = base / "concepts.csv"
    with file.open("w", encoding="utf-8") as text:
        text.write("code,display,parent,display:fr\n")
        for n in range(CONCEPTS):
            rng = random.Random(n)
            parent = f"C{n // 10}" if n else ""
            text.write(f"C{n},{_name(rng)} {_name(rng)},{parent},{_name(rng)} en français\n")
    done = command("terminology", "import", str(file), "--url", URL, "--data", str(folder))
    if done.returncode:
        raise SystemExit(done.stderr)
    took = re.search(r"in ([\d.]+) s", done.stdout)
    assert took is not None, done.stdout
    return "import from a table, ready to be asked (target: seconds)", f"{took[1]} s", "", ""


def _name(rng: random.Random) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(4))
