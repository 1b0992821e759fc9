#!/usr/bin/env bash
# icalendar 7.3.2 makes a VTIMEZONE of a zone with `Timezone.from_tzinfo`. RFC 5545 §3.6.5 has the onset of DAYLIGHT in
# the local time before the change, as its own example has (02:00 for a change at 02:00). The library writes the time
# after it: 03:00 for Europe/Paris, whose clocks go from 02:00 +0100 to 03:00 +0200. The onset of STANDARD is right.
# Seen: DAYLIGHT DTSTART:20260329T030000 TZOFFSETFROM:+0100, so 02:00 UTC; in the zone the change is at 01:00 UTC.
# Fails when the onset is written in another way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check icalendar==7.3.2 tzdata==2026.1
cat > onset.py <<'PY'
import re
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from icalendar import Timezone

paris = ZoneInfo("Europe/Paris")
text = Timezone.from_tzinfo(paris, first_date=date(2026, 1, 1), last_date=date(2028, 1, 1)).to_ical().decode()
onset = re.search(r"BEGIN:DAYLIGHT\r\nDTSTART:(\S+)", text)[1]
before = re.search(r"BEGIN:DAYLIGHT.*?TZOFFSETFROM:(\S+)", text, re.DOTALL)[1]
written = datetime.strptime(onset + before, "%Y%m%dT%H%M%S%z").astimezone(UTC)
hours = (datetime(2026, 3, 29, tzinfo=UTC) + timedelta(hours=n) for n in range(24))
true = next(one for one in hours if one.astimezone(paris).utcoffset() == timedelta(hours=2))
print(f"icalendar {version('icalendar')}: DAYLIGHT DTSTART:{onset} TZOFFSETFROM:{before} = {written:%H:%M} UTC; zone {true:%H:%M} UTC")
sys.exit((onset, before, true.hour) != ("20260329T030000", "+0100", 1))
PY
venv/bin/python onset.py
