"""The npm client libraries of `package-lock.json`, installed once into `var/`; without node and npm the tests skip, saying so.

Their install scripts are not run, and what npm fetches must have the hashes of the lock.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.examples import ROOT

HERE = Path(__file__).parent
MANIFESTS = ("package.json", "package-lock.json")
COMMAND = "ci --ignore-scripts --omit=optional --omit=peer --legacy-peer-deps --no-audit --no-fund --silent".split()
WHY_NOT = "node and npm are needed for the JavaScript client libraries (Debian and Ubuntu: apt-get install npm)"


@cache
def modules() -> Path | None:
    """The folder whose `node_modules` has the libraries; None where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    lock = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFESTS)).hexdigest()[:16]
    folder = ROOT / "var" / "tests" / f"clients-{lock}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Installed aside and moved into place whole: of several test processes each sees all of it or none.
    with TemporaryDirectory(dir=folder.parent) as aside:
        for name in MANIFESTS:
            shutil.copy(HERE / name, aside)
        if subprocess.run([npm, *COMMAND], cwd=aside, capture_output=True, check=False).returncode:
            return None
        with suppress(OSError):  # another process was first
            whole = Path(aside) / "whole"
            whole.mkdir()
            (Path(aside) / "node_modules").rename(whole / "node_modules")
            whole.rename(folder)
    return folder if folder.is_dir() else None


if __name__ == "__main__":
    # Before the tests are collected, since each test process would otherwise install them for itself.
    print(modules() or f"The JavaScript client libraries could not be installed: {WHY_NOT}.")
