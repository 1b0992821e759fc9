"""An implementation guide's package, read from its archive or folder: what it holds and what it needs.

https://hl7.org/fhir/R4/packages.html, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification. Nothing of an
archive is written to disk, and what is not JSON in `package/` is passed over.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid, Issue
from fhir_server.validation.profiles.registry import Profiles

#: The largest file of a package that is read, and the most of a whole package, in bytes.
MAX_FILE = 50_000_000
MAX_PACKAGE = 500_000_000

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Package:
    """A package as it was read.

    Attributes:
        name: `ans.fhir.fr.pdsm`.
        version: `3.1.1`.
        dependencies: package name → version it asks for.
        resources: the conformance resources in it, in the order of their file names.
        examples: file name → resource, of its `example` folder.
        issues: files that could not be read.
    """

    name: str
    version: str
    dependencies: dict[str, str]
    resources: tuple[Tree, ...]
    examples: dict[str, Tree]
    issues: tuple[Issue, ...] = ()

    def missing(self, loaded: dict[str, str]) -> dict[str, str]:
        """The dependencies that are not among `loaded` packages (name → version); R4's own are always there."""
        return {n: v for n, v in self.dependencies.items() if n not in loaded and not n.startswith("hl7.fhir.r4.")}


def load(path: Path) -> Package:
    """The package in a `.tgz` archive or in a folder that holds `package.json` or `package/package.json`.

    Raises:
        Invalid: it is not a FHIR package, or larger than is read.
    """
    manifest: Tree = {}
    resources: dict[str, Tree] = {}
    examples: dict[str, Tree] = {}
    issues: list[Issue] = []
    for name, body in _folder(path) if path.is_dir() else _archive(path):
        try:
            tree = parse(body)
        except FhirError as error:
            issues.append(Issue("warning", "structure", f"{name}: {error}", key="package-file"))
            continue
        if name == "package.json":
            manifest = tree
        elif "resourceType" in tree:
            (examples if name.startswith("example/") else resources)[name] = tree
    if not isinstance(manifest.get("name"), str):
        raise Invalid(f"{path.name} holds no package.json, and is no FHIR package.", key="package")
    return Package(
        manifest["name"],
        str(manifest.get("version", "")),
        {str(k): str(v) for k, v in (manifest.get("dependencies") or {}).items()},
        tuple(resources[n] for n in sorted(resources)),
        {n.removeprefix("example/"): examples[n] for n in sorted(examples)},
        tuple(issues),
    )


def add(package: Package, profiles: Profiles) -> list[Issue]:
    """Make a package's profiles usable; what could not be is said in the answer, and is not fatal."""
    issues = list(package.issues)
    for resource in package.resources:
        if resource.get("resourceType") != "StructureDefinition" or resource.get("kind") == "logical":
            continue
        try:
            profiles.add(resource)
        except FhirError as error:
            issues += error.issues
    return issues


def _archive(path: Path) -> Iterator[tuple[str, bytes]]:
    left = MAX_PACKAGE
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                # Whatever is passed over is unpacked on the way.
                left -= member.size
                if left < 0:
                    raise Invalid(f"{path.name} is larger than is read.", key="package", code="too-long")
                if not member.isfile() or not _is_wanted(name.removeprefix("package/"), name.startswith("package/")):
                    continue
                if member.size > MAX_FILE:
                    raise Invalid(f"{path.name} is larger than is read.", key="package", code="too-long")
                file = archive.extractfile(member)
                if file is not None:
                    yield name.removeprefix("package/"), file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Invalid(f"{path.name} is not a package archive: {type(error).__name__}.", key="package") from None


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    top = path / "package" if (path / "package" / "package.json").is_file() else path
    for file in sorted((*top.glob("*.json"), *top.glob("example/*.json"))):
        name = file.relative_to(top).as_posix()
        if _is_wanted(name, True) and file.stat().st_size <= MAX_FILE:
            yield name, file.read_bytes()


def _is_wanted(name: str, packaged: bool) -> bool:
    folder, _, file = name.rpartition("/")
    return packaged and folder in ("", "example") and file.endswith(".json") and not file.startswith(".")
