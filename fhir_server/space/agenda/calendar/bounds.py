"""How large a calendar may be that somebody brings. RFC 5545."""

from __future__ import annotations

#: Bytes of it; components in it, and inside one another; characters of a line that is put together again.
LARGEST, COMPONENTS, DEPTH, LINE = 1_000_000, 2_000, 3, 20_000
LONGEST_UID = 200
#: Entries that it brings, each time that something recurs counted.
MOST = 200
#: Times at which the zones of a calendar change: each may be by a rule, which is followed for decades.
CHANGES = 500
