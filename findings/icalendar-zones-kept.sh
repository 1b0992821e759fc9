#!/usr/bin/env bash
# icalendar 7.3.2 keeps each VTIMEZONE that it reads under its TZID, in the process, for whatever it reads next: a name
# that zoneinfo does not have is read as the first file said, also in files that say otherwise or nothing. Who brings a
# calendar first so moves the appointments of others whose program names its zone alike ("Customized Time Zone", and
# "Romance Standard Time", which Windows has for Paris). `icalendar.timezone.tzp.use_zoneinfo()` forgets them all.
# Seen: a second file that says +0100 is read at +0900, and at +0100 once they are forgotten.
# Fails when a file is read by its own zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check icalendar==7.3.2 tzdata==2026.1
cat > kept.py <<'PY'
import sys
from datetime import UTC
from importlib.metadata import version

from icalendar import Calendar
from icalendar.timezone import tzp

FILE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:x
BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:16010101T000000
TZOFFSETFROM:{offset}
TZOFFSETTO:{offset}
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1
DTSTART;TZID={name}:20270101T090000
END:VEVENT
END:VCALENDAR
"""


def hour(name, offset):
    calendar = Calendar.from_ical(FILE.format(name=name, offset=offset))
    return f"{calendar.walk('VEVENT')[0]['DTSTART'].dt.astimezone(UTC):%H:%M}"


found = {}
for name in ("Customized Time Zone", "Romance Standard Time"):
    first, second = hour(name, "+0900"), hour(name, "+0100")
    tzp.use_zoneinfo()
    found[name] = (first, second, hour(name, "+0100"))
    print(f"icalendar {version('icalendar')}, {name}: +0900 {first}, then +0100 {second}, forgotten +0100 {found[name][2]}")
sys.exit(set(found.values()) != {("00:00", "00:00", "08:00")})
PY
venv/bin/python kept.py
