"""`python -m tests.benchmarks`: measure, and print the README's tables; `--only PART` for a part, `--readme` to write them."""

from __future__ import annotations

import argparse
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from tests.benchmarks.servers import ROOT

README = ROOT / "README.md"
PARTS = (
    "engine",
    "curve",
    "validation",
    "terminology",
    "smart",
    "traces",
    "starting",
    "record",
    "messages",
    "indicators",
    "agenda",
    "mail",
    "subscriptions",
    "live",
    "beside",
    "hapi",
)


class Bench:
    """One run: its options, its folder, and the store that several parts measure, filled when the first asks."""

    def __init__(self, options: argparse.Namespace, base: Path) -> None:
        self.options = options
        self.base = base

    @cached_property
    def filled(self):
        """A store with invented resources."""
        from tests.benchmarks.engine import fill

        found = fill(self.base / "main", self.options.resources)
        print(f"Filled by `seed`: {found.resources:,} resources at {found.rate:,.0f}/s.\n", flush=True)
        return found

    @property
    def documents(self) -> int:
        """In the records that are measured."""
        return 1_000_000 if self.options.million else int(self.options.documents)

    @property
    def slots(self) -> int:
        """In the agendas that are measured."""
        return 1_000_000 if self.options.million else int(self.options.slots)

    def part(self, name: str) -> Iterator[str]:
        """The tables of a part."""
        seconds = self.options.seconds
        if name == "engine":
            from tests.benchmarks.engine import engine

            yield from engine(self.filled, self.base, seconds)
        elif name == "curve":
            from tests.benchmarks.engine import curve

            yield curve(self.base, seconds, self.options.million, self.filled)
        elif name == "validation":
            from tests.benchmarks.validation import validation

            yield from validation(seconds)
        elif name == "terminology":
            from tests.benchmarks.terminology import terminology

            yield from terminology(self.base, seconds)
        elif name == "smart":
            from tests.benchmarks.smart import smart

            yield from smart(self.filled, seconds)
        elif name == "traces":
            from tests.benchmarks.traces import traces

            yield from traces(self.base, self.options.traces, seconds)
        elif name == "record":
            from tests.benchmarks.record import record

            yield from record(self.base, self.documents, self.documents // 10, seconds)
        elif name == "messages":
            from tests.benchmarks.messages import messages

            yield from messages(self.base, 10_000, seconds)
        elif name == "indicators":
            from tests.benchmarks.indicators import indicators

            yield from indicators(self.base, self.options.documents)
        elif name == "agenda":
            from tests.benchmarks.agenda import agenda

            yield from agenda(self.base, self.slots, seconds)
        elif name == "mail":
            from tests.benchmarks.mail import mail

            yield from mail(self.base, seconds, self.options.mails)
        elif name == "subscriptions":
            from tests.benchmarks.subscriptions import subscriptions

            yield from subscriptions(self.base, seconds)
        elif name == "live":
            from tests.benchmarks.live import live

            yield from live(self.options.size, self.options.beside)
        elif name == "beside":
            from tests.benchmarks.beside import beside

            yield from beside(self.base, self.options.beside, self.options.resources, seconds)
        elif name == "hapi":
            from tests.benchmarks.hapi.beside import Sizes, hapi

            sizes = Sizes(self.documents, self.slots, self.options.hapi_documents)
            yield from hapi(
                self.base, self.options.hapi or self.base / "hapi", sizes, self.options.hapi_memory, seconds
            )
        else:
            from tests.benchmarks.starting import starting

            yield from starting(self.base)


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fhir-bench-") as folder:
        bench, machine = Bench(options, Path(folder)), _machine()
        print(f"{machine}\n")
        for name in options.only or PARTS:
            if (name == "beside" and options.beside is None) or (name == "hapi" and not options.only):
                # They need more than this project installs: another build, and Java, Maven and PostgreSQL.
                continue
            print(f"<!-- bench {name}: begin -->", flush=True)
            tables = []
            for text in bench.part(name):
                print(f"{text}\n", flush=True)
                tables.append(text)
            print(f"<!-- bench {name}: end -->\n", flush=True)
            if options.readme and name != "beside":
                # What another build does is of the day it is measured on.
                _write(name, "\n\n".join([machine, *tables]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part; may be given again")
    parser.add_argument("--resources", type=int, default=100_000, help="in the store that is measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="each measurement takes")
    parser.add_argument(
        "--million",
        action="store_true",
        help="carry the curve on to 1,000,000 resources, and the records to 1,000,000 documents",
    )
    parser.add_argument("--documents", type=int, default=20_000, help="in the records that are measured")
    parser.add_argument("--slots", type=int, default=100_000, help="in the agendas that are measured")
    parser.add_argument("--mails", type=int, default=200, help="of 5 MB, after which memory is looked at")
    parser.add_argument("--size", type=float, default=1.0, help="of the long requests, as a part of the largest")
    parser.add_argument("--traces", type=int, default=10_000_000, help="appended to the store that keeps them")
    parser.add_argument("--beside", type=Path, help="folder of another build, measured in the same run")
    parser.add_argument("--hapi", type=Path, help="folder that HAPI is built in, once; else built anew and thrown away")
    parser.add_argument("--hapi-documents", type=int, default=50_000, help="documents and slots that HAPI holds")
    parser.add_argument("--hapi-memory", default="4g", help="the most that HAPI's Java may take")
    parser.add_argument("--readme", action="store_true", help="write the tables between the README's markers")
    return parser.parse_args()


def _machine() -> str:
    """What was measured on, and how busy it was: others' work makes every time by the clock longer."""
    busy = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    shared = "idle but for this" if busy < 0.5 else f"others' load {busy:.1f}"
    return f"Python {platform.python_version()}, {platform.system()}, {cores} virtual cores, {shared} when it began:"


def _write(name: str, text: str) -> None:
    before = README.read_text()
    mark = f"<!-- bench {name}: "
    after, count = re.subn(
        rf"({re.escape(mark)}begin -->\n).*?({re.escape(mark)}end -->)",
        lambda found: f"{found[1]}{text}\n{found[2]}",
        before,
        flags=re.DOTALL,
    )
    if count != 1:
        raise SystemExit(f"The README has no place for {name}.")
    README.write_text(after)


if __name__ == "__main__":
    main()
