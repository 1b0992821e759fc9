"""Where the tests find the published R4 examples and real bundles; both may be absent, and then a test skips, saying so."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
PACKAGE = "hl7.fhir.r4.examples-4.0.1.tgz"
SHA256 = "dce87f1b5b9341867033f7d1f544fa1b5232503f6d62813887ac6b8a8b6cb682"


@cache
def examples_folder() -> Path | None:
    """The folder of HL7's 5,306 published JSON resources, fetched once with npm into `var/`; None where that cannot be done."""
    folder = Path(os.environ.get("FHIR_TEST_EXAMPLES", ROOT / "var" / "tests" / "hl7.fhir.r4.examples" / "package"))
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Fetched aside and moved into place whole: of several test processes each sees all of it or none.
    with TemporaryDirectory(dir=folder.parent) as aside:
        fetched = subprocess.run(
            [npm, "pack", "hl7.fhir.r4.examples@4.0.1", "--silent"], cwd=aside, capture_output=True, check=False
        )
        package = Path(aside) / PACKAGE
        if fetched.returncode or hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
            return None
        with tarfile.open(package) as archive:
            archive.extractall(aside, filter="data")
        with suppress(OSError):  # another process was first
            (Path(aside) / "package").rename(folder)
    return folder if folder.is_dir() else None


@cache
def shared_data() -> Path | None:
    """The folder of real bundles and national guides beside the checkout, or None."""
    folder = Path(os.environ.get("FHIR_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


if __name__ == "__main__":
    # Before the tests are collected, since each test process would otherwise fetch them for itself.
    print(examples_folder() or "The published examples could not be fetched: tests that need them are skipped.")
