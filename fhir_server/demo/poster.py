"""What the demonstration tells whoever starts it: where to look, and who may sign in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fhir_server.demo.cast import Role
from fhir_server.demo.software import SAMPLES


@dataclass(frozen=True, slots=True)
class Poster:
    """Its contents.

    Attributes:
        root: of the server, without a slash at the end.
        origin: of the sample app.
        people: who may sign in, and what they are called.
        password: of all of them.
        folder: where password and key are kept.
        key: file of the establishment's private key.
        program: what runs Python here.
    """

    root: str
    origin: str
    people: Sequence[tuple[Role, str]]
    password: str
    folder: Path
    key: Path
    program: str

    def lines(self) -> Iterator[str]:
        """What stands on the poster, one line of text each."""
        yield f"FHIR base        {self.root}/fhir"
        yield f"Pages            {self.root}/"
        yield f"Sample app       {self._sample}"
        yield f"Catalogue        {self.root}/catalogue"
        yield f"Authorization    {self.root}/fhir/.well-known/smart-configuration"
        yield ""
        yield f"Everyone is invented. Password of each account: {self.password}"
        yield f"(made at random, kept in {self.folder / 'demo-password'}; no telephone is needed). The sign-in page"
        yield "also lets you be anyone of the data, with simulators of Pro Santé Connect and FranceConnect+."
        yield ""
        rows = [("Login", "Who", "Begin at")]
        rows += [(role.login, f"{name}, {role.who}", f"{self.root}{role.page}") for role, name in self.people]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for login, who, page in rows:
            yield f"{login:<{widths[0]}}  {who:<{widths[1]}}  {page}"
        yield ""
        yield "A token for curl, of any of them (five minutes):"
        where = f"--base {self.root}/fhir --data {self.folder}"
        yield f"  TOKEN=$({self.program} -m fhir_server.cli.main demo token medecin {where})"
        yield ""
        yield "An establishment's software (SMART Backend Services):"
        yield f"  {self.program} -m fhir_server.demo.backend --base {self.root}/fhir --key {self.key}"

    @property
    def _sample(self) -> str:
        return f"{self.origin}/{SAMPLES[0].place}/"
