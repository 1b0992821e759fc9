"""TestScripts from files, and the resources they refer to: contained, or in files beside them.

https://hl7.org/fhir/R4/testscript.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_server.conformance.sources import Tree, Unusable
from fhir_server.fhir.definitions import folder
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Malformed
from fhir_server.fhir.xml import to_json
from fhir_server.validation.validator import validate

#: The largest file read, in bytes.
LARGEST = 20_000_000


@dataclass(frozen=True, slots=True)
class Script:
    """A TestScript that base R4 finds right, and the folder it came from."""

    tree: Tree
    folder: Path

    @property
    def id(self) -> str:
        """Its id, else its name."""
        return str(self.tree.get("id") or self.tree["name"])

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.tree.get("title") or self.tree["name"])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A list of the TestScript: `fixture`, `variable`, `test`; empty where there is none."""
        found: list[dict[str, Any]] = self.tree.get(name, [])
        return found

    def actions(self, name: str) -> list[dict[str, Any]]:
        """The actions of `setup` or `teardown`; empty where there is none."""
        found: list[dict[str, Any]] = self.tree.get(name, {}).get("action", [])
        return found

    def resource(self, reference: str) -> Tree | None:
        """What a reference or canonical leads to: a contained resource, or a file in the script's folder.

        `Patient/example` and `…/Patient/example` are looked for as `Patient-example` and `Patient/example`, `.json`
        and `.xml`; `fixtures/a.json` as it stands. None where there is nothing of that name.

        Raises:
            Malformed: there is a file, and it is no FHIR.
        """
        for contained in self.tree.get("contained", ()):
            if reference in (f"#{contained.get('id')}", contained.get("url")):
                return dict(contained)
        for name in _names(reference.partition("|")[0]):
            file = (self.folder / name).resolve()
            # A script never makes the runner send a file from elsewhere on this machine.
            if file.is_relative_to(self.folder.resolve()) and file.is_file():
                return read(file)
        return None


def shipped() -> Path:
    """The folder of the project's own scripts."""
    return folder("capability") / "testscripts"


def load(paths: Iterable[Path]) -> list[Script]:
    """The TestScripts in files, and in the files of folders (other resources there are fixtures).

    Raises:
        Malformed, Unusable: a file cannot be read, is no TestScript or not a right one; the message names it.
    """
    return [script for path in paths for script in _scripts(path)]


def read(file: Path) -> Tree:
    """The resource in a JSON or XML file.

    Raises:
        Malformed: it cannot be read, or is no FHIR.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise Malformed(f"{file}: larger than {LARGEST:,} bytes.")
        body = file.read_bytes()
        return parse(to_json(body) if file.suffix == ".xml" else body)
    except OSError as error:
        raise Malformed(f"{file}: {error.strerror}.") from None
    except FhirError as error:
        raise Malformed(f"{file}: {error}") from None


def _scripts(path: Path) -> Iterator[Script]:
    if path.is_dir():
        found = [f for f in sorted(path.iterdir()) if f.suffix in (".json", ".xml") and f.is_file()]
        trees = ((file, read(file)) for file in found)
        scripts = [_script(tree, file) for file, tree in trees if tree.get("resourceType") == "TestScript"]
        if not scripts:
            raise Unusable(f"{path}: there is no TestScript in this folder.")
        yield from scripts
    else:
        yield _script(read(path), path)


def _script(tree: Tree, file: Path) -> Script:
    if tree.get("resourceType") != "TestScript":
        raise Unusable(f"{file}: not a TestScript.")
    wrong = [issue for issue in validate(tree) if issue.severity in ("error", "fatal")]
    if wrong:
        said = "; ".join(f"{issue.expression}: {issue.diagnostics}" for issue in wrong[:5])
        raise Unusable(f"{file}: not a right TestScript: {said}")
    return Script(tree, file.parent)


def _names(reference: str) -> Iterator[str]:
    if reference.startswith("#"):
        return
    if "://" not in reference:
        yield reference
    parts = reference.rstrip("/").split("/")[-2:]
    for suffix in (".json", ".xml"):
        yield "-".join(parts) + suffix
        yield "/".join(parts) + suffix
