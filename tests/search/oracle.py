"""A second reading of R4's search, by brute force: it knows neither FHIRPath, nor the index, nor the filters.

https://hl7.org/fhir/R4/search.html. Each parameter's values are taken out of the JSON by paths written here by hand.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]
Instants = tuple[int, int]  # µs since 1970, the second not inside

PARIS = ZoneInfo("Europe/Paris")
LONG_AGO, FAR_OFF = -(10**18), 10**18


def at(tree: Any, path: str) -> Iterator[Any]:
    """What stands at a dotted path, lists flattened; `x[]` for every choice of `x`."""
    name, _, rest = path.partition(".")
    for one in tree if isinstance(tree, list) else [tree]:
        if not isinstance(one, dict) or name not in one:
            continue
        for found in one[name] if isinstance(one[name], list) else [one[name]]:
            yield from at(found, rest) if rest else [found]


# ---------------------------------------------------------------------------------------------- strings


def plain(text: str) -> str:
    """Without case and accents, words parted by one space."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(" " if not char.isalnum() else char for char in apart if unicodedata.category(char) != "Mn")
    return " ".join(kept.split())


def string_matches(values: list[str], modifier: str, asked: str) -> bool:
    match modifier:
        case "exact":
            return asked in values
        case "contains":
            return any(plain(asked) in plain(value) for value in values)
    return any(plain(value).startswith(plain(asked)) for value in values)


NAME = ("family", "given", "prefix", "suffix", "text")
ADDRESS = ("text", "line", "city", "district", "state", "postalCode", "country")


def strings(*paths: str) -> Callable[[Json], list[str]]:
    return lambda tree: [value for path in paths for value in at(tree, path) if isinstance(value, str)]


def parts(path: str, names: tuple[str, ...]) -> Callable[[Json], list[str]]:
    return strings(*(f"{path}.{name}" for name in names))


# ----------------------------------------------------------------------------------------------- tokens


def tokens(*paths: str) -> Callable[[Json], list[tuple[str | None, str | None]]]:
    """(system, code) of codings, concepts, identifiers and contact points; a system of None is not looked at."""

    def taken(tree: Json) -> list[tuple[str | None, str | None]]:
        found: list[tuple[str | None, str | None]] = []
        for path in paths:
            for value in at(tree, path):
                found += _tokens(value)
        return found

    return taken


def _tokens(value: Any) -> Iterator[tuple[str | None, str | None]]:
    if isinstance(value, dict):
        if "coding" in value or "text" in value:
            for coding in value.get("coding", ()):
                yield from _tokens(coding)
            if "coding" not in value:
                # There, so not missing; but there is no code to find it by.
                yield None, None
        else:
            yield value.get("system", ""), value.get("code", value.get("value"))
    else:
        yield None, str(value).lower() if isinstance(value, bool) else str(value)


def token_matches(values: list[tuple[str | None, str | None]], modifier: str, asked: str) -> bool:
    if modifier == "not":
        return not token_matches(values, "", asked)
    system, bar, code = asked.rpartition("|")
    for its, value in values:
        if (its, value) == (None, None) or (bar and its is not None and its != system):
            continue
        if code == "" or (value is not None and value.casefold() == code.casefold()):
            return True
    return False


# ------------------------------------------------------------------------------------------------ dates

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def interval(text: str) -> Instants:
    """What a date that may be partial covers; without a zone it is of Paris."""
    found = _DATE.fullmatch(text)
    assert found, text
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    y, m, d = int(year), int(month or 1), int(day or 1)
    if hour is None:
        if day:
            after = (y, m, d + 1) if d < calendar.monthrange(y, m)[1] else (y, m + 1, 1)
        else:
            after = (y, m + 1, 1) if month else (y + 1, 1, 1)
        end = (after[0] + (after[1] > 12), 1 if after[1] > 12 else after[1], after[2])
        return _instant(datetime(y, m, d, tzinfo=PARIS)), _instant(datetime(*end, tzinfo=PARIS))
    known = datetime.fromisoformat(
        f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{(zone or '').replace('Z', '+00:00')}"
    )
    low = _instant(known if zone else known.replace(tzinfo=PARIS))
    if fraction:
        return low + int(fraction.ljust(6, "0")), low + int(fraction.ljust(6, "0")) + 10 ** (6 - len(fraction))
    return low, low + (1_000_000 if second else 60_000_000)


def _instant(moment: datetime) -> int:
    whole = calendar.timegm(moment.astimezone(UTC).timetuple())
    return whole * 1_000_000 + moment.microsecond


def dates(*paths: str) -> Callable[[Json], list[Instants]]:
    """Of dates, and of periods, whose absent ends are open."""

    def taken(tree: Json) -> list[Instants]:
        found = []
        for path in paths:
            for value in at(tree, path):
                if isinstance(value, str):
                    found.append(interval(value))
                elif "event" in value:
                    events = [interval(event) for event in value["event"]]
                    found.append((min(low for low, _ in events), max(high for _, high in events)))
                elif "start" in value or "end" in value:
                    low = interval(value["start"])[0] if "start" in value else LONG_AGO
                    found.append((low, interval(value["end"])[1] if "end" in value else FAR_OFF))
        return found

    return taken


_PREFIX = re.compile("(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)")


def date_matches(values: list[Instants], modifier: str, asked: str) -> bool:
    prefix, text = _PREFIX.fullmatch(asked).groups()  # type: ignore[union-attr]
    low, high = interval(text)

    def holds(start: int, end: int) -> bool:
        within = low <= start and end <= high
        return {
            None: within, "eq": within, "ne": not within, "gt": end > high, "lt": start < low,
            "ge": end > high or within, "le": start < low or within, "sa": start >= high, "eb": end <= low,
        }[prefix]  # fmt: skip

    return any(holds(*value) for value in values)


# --------------------------------------------------------------------------------- numbers and quantities


def numbers(path: str) -> Callable[[Json], list[Decimal]]:
    return lambda tree: [Decimal(str(value)) for value in at(tree, path)]


def number_matches(values: list[Decimal], modifier: str, asked: str) -> bool:
    prefix, text = _PREFIX.fullmatch(asked).groups()  # type: ignore[union-attr]
    number = Decimal(text)
    digits, exponent = number.as_tuple().digits, number.as_tuple().exponent
    assert isinstance(exponent, int) and digits
    half = Decimal(5).scaleb(exponent - 1)

    def holds(value: Decimal) -> bool:
        about = number - half <= value < number + half
        return {
            None: about, "eq": about, "ne": not about, "gt": value > number, "sa": value > number,
            "lt": value < number, "eb": value < number, "ge": value >= number, "le": value <= number,
        }[prefix]  # fmt: skip

    return any(holds(value) for value in values)


def quantities(*paths: str) -> Callable[[Json], list[Json]]:
    return lambda tree: [value for path in paths for value in at(tree, path) if "value" in value]


def quantity_matches(values: list[Json], modifier: str, asked: str) -> bool:
    number, *unit = asked.split("|")
    fitting = [value for value in values if not unit or _in_unit(value, *unit)]
    return number_matches([Decimal(str(value["value"])) for value in fitting], "", number)


def _in_unit(value: Json, system: str, code: str) -> bool:
    if system:
        return value.get("system") == system and value.get("code") == code
    return code in (value.get("code"), value.get("unit"))


# ------------------------------------------------------------------------------------- references and URIs


def references(*paths: str) -> Callable[[Json], list[str]]:
    """As relative as `Patient/1`, versions aside; "" for a reference that only has a text."""

    def taken(tree: Json) -> list[str]:
        found = [value.get("reference", "") for path in paths for value in at(tree, path)]
        return [one.partition("/_history/")[0] for one in found]

    return taken


def reference_matches(values: list[str], modifier: str, asked: str) -> bool:
    if modifier:
        asked = f"{modifier}/{asked}"
    if "/" in asked:
        return asked in values
    return any(value.count("/") == 1 and value.endswith("/" + asked) for value in values)


def uri_matches(values: list[str], modifier: str, asked: str) -> bool:
    match modifier:
        case "below":
            return any(value == asked or value.startswith(asked.rstrip("/") + "/") for value in values)
        case "above":
            return any(asked == value or asked.startswith(value.rstrip("/") + "/") for value in values)
    return asked in values


# ------------------------------------------------------------------------------------------------ order


def place(values: list[Any], down: bool) -> tuple[bool, Any]:
    """Sorts as the resource with these values does; of an interval the end that comes first counts."""
    if not values:
        return (True, 0)
    if isinstance(values[0], tuple):
        return (False, -max(high for _, high in values) if down else min(low for low, _ in values))
    return (False, _Down(max(values)) if down else min(values))


class _Down:
    """Sorts the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Down) -> bool:
        return bool(self.value > other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)
