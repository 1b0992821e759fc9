"""Which version of this server runs: the one place that says it, for its metadata, its pages and its package."""

from __future__ import annotations

#: https://semver.org; read by the build too.
VERSION = "0.1.0"
