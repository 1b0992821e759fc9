"""Where the tests find the test files others publish for what we implement; they may be absent, and then a test skips.

HL7's for FHIRPath, FHIRPath Patch and its validator come in `org.hl7.fhir.testcases:fhir-test-cases`, those for JSON Patch in
`json-patch-test-suite`. Each is fetched once into `var/tests`, by the client of the registry that holds it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.examples import ROOT

CASES = "fhir-test-cases-1.7.69.jar"
PATCHES = "json-patch-test-suite-1.1.0.tgz"
#: Archive → how it is fetched into the working directory.
COMMANDS = {
    CASES: (
        "mvn -q -B dependency:copy -Dartifact=org.hl7.fhir.testcases:fhir-test-cases:1.7.69 -DoutputDirectory=."
    ).split(),
    PATCHES: "npm pack json-patch-test-suite@1.1.0 --silent".split(),
}
SHA256 = {
    CASES: "827a559099ae3297c3f96ab5749b419a24600d74b6a09e23620881a9c17df741",
    PATCHES: "3a84283b5bb7e03d00d73f19f0830f1f749ae1bfb7932711cb58cc66eaee9537",
}
_CASES = "org/hl7/fhir/testcases/"
_R4 = f"{_CASES}r4/"


@cache
def fhir_test_cases() -> Path | None:
    """The folder of HL7's R4 test cases (`fhirpath/`, `patch/`, the resources they use); None where it cannot be had."""
    folder = _folder(CASES)
    return folder and folder / _R4


@cache
def validator_cases() -> Path | None:
    """The folder of HL7's cases for validators (`manifest.json`, resources, `outcomes/`); None where it cannot be had."""
    folder = _folder(CASES, "-validator", f"{_CASES}validator/")
    return folder and folder / _CASES / "validator"


@cache
def json_patch_tests() -> Path | None:
    """The folder of the JSON Patch tests (`tests.json`, `spec_tests.json`); None where it cannot be had."""
    folder = _folder(PATCHES)
    return folder and folder / "package"


def _folder(archive: str, mark: str = "", wanted: str = _R4) -> Path | None:
    """Where what is wanted of an archive is unpacked, fetched when it is not there yet; `mark` tells folders apart."""
    folder = ROOT / "var" / "tests" / (archive.rpartition(".")[0] + mark)
    if folder.is_dir():
        return folder
    command = COMMANDS[archive]
    client = shutil.which(command[0])
    if client is None:
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Fetched aside and moved into place whole: of several test processes each sees all of it or none.
    with TemporaryDirectory(dir=folder.parent) as aside:
        fetched = subprocess.run([client, *command[1:]], cwd=aside, capture_output=True, check=False)
        package, whole = Path(aside) / archive, Path(aside) / "whole"
        if fetched.returncode or hashlib.sha256(package.read_bytes()).hexdigest() != SHA256[archive]:
            return None
        _unpack(package, whole, wanted)
        with suppress(OSError):  # another process was first
            whole.rename(folder)
    return folder if folder.is_dir() else None


def _unpack(package: Path, folder: Path, wanted: str) -> None:
    if package.suffix == ".tgz":
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
        return
    with zipfile.ZipFile(package) as jar:
        for name in jar.namelist():
            if name.startswith(wanted):
                jar.extract(name, folder)


if __name__ == "__main__":
    # Before the tests are collected, since each test process would otherwise fetch them for itself.
    for found in (fhir_test_cases, validator_cases, json_patch_tests):
        print(found() or f"{found.__name__} could not be fetched: tests that need them are skipped.")
