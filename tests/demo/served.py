"""The demonstration really served: `fhir-server demo` as a process of its own, over a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server.process import Served, started

#: What the last line that is printed speaks of.
LAST = "fhir_server.demo.backend"
#: As few people as there may be.
PATIENTS = "31"


class Demo(Served):
    """One that answers, or answered."""

    @property
    def app(self) -> str:
        """The sample app's origin."""
        return self.at("Sample app").removesuffix("/carnet")

    @property
    def password(self) -> str:
        """Of every account, as printed."""
        found = re.search(r"Password of each account: (\S+)", self.said)
        assert found, self.said
        return found[1]


@contextmanager
def demonstrated(folder: Path) -> Iterator[Demo]:
    """The demonstration while it runs; it is ended with the block, and must end well."""
    arguments = ("demo", "--patients", PATIENTS, "--port", "0", "--data", folder)
    with started(folder, *arguments, ready=f"{re.escape(LAST)}.*\n") as found:
        yield Demo(found.process, found.folder, found.log)
