"""The demonstration really served: `fhir-server demo` as a process of its own, over a folder of its own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.server import command, environment

#: What the last line that is printed speaks of.
LAST = "fhir_server.demo.backend"
#: As few people as there may be.
PATIENTS = "31"


@dataclass(frozen=True)
class Demo:
    """One that answers.

    Attributes:
        folder: of its store.
        said: all that it printed.
    """

    folder: Path
    said: str

    @property
    def root(self) -> str:
        """The server."""
        return self._at("Pages")

    @property
    def app(self) -> str:
        """The sample app's origin."""
        return self._at("Sample app").removesuffix("/carnet")

    @property
    def base(self) -> str:
        """The FHIR base."""
        return f"{self.root}/fhir"

    @property
    def password(self) -> str:
        """Of every account, as printed."""
        found = re.search(r"Password of each account: (\S+)", self.said)
        assert found, self.said
        return found[1]

    def _at(self, what: str) -> str:
        found = re.search(rf"^{what}\s+(http://\S+?)/?$", self.said, re.M)
        assert found, self.said
        return found[1]


@contextmanager
def demonstrated(folder: Path) -> Iterator[Demo]:
    """The demonstration while it runs; it is ended with the block, and must end well."""
    process = subprocess.Popen(
        command("demo", "--patients", PATIENTS, "--port", "0", "--data", folder),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    with process:
        try:
            yield Demo(folder, _said(process))
        finally:
            process.terminate()
            assert process.wait(240) == 0


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if LAST in line:
            return "".join(lines)
    raise AssertionError(f"The demonstration did not start: {''.join(lines)}")
