"""`near`: locations within a distance of a place.

https://hl7.org/fhir/R4/location.html#positional
"""

from __future__ import annotations

from decimal import Decimal

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.number import read
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers
from fhir_server.search.kinds.values import split, unescape
from fhir_server.store.filters import Filter, Near

#: How far `near` reaches when the query does not say, in kilometres: R4 leaves it to the server.
DEFAULT_KILOMETRES = Decimal(50)
#: Metres in each unit, by its UCUM code or the name people give it. Without a unit R4 says kilometres.
_METRES = {
    "": Decimal(1000),
    "km": Decimal(1000),
    "m": Decimal(1),
    "[mi_i]": Decimal("1609.344"),
    "mi": Decimal("1609.344"),
    "[mi_us]": Decimal("1609.347219"),
    "[nmi_i]": Decimal(1852),
    "[ft_i]": Decimal("0.3048"),
}
#: Nothing on earth is farther: half its circumference, in metres.
_FARTHEST = 20_100_000.0


def _near(asked: Asked, value: str) -> Filter:
    parts = [unescape(part) for part in split(value, "|")]
    if not 2 <= len(parts) <= 4:
        raise InvalidParameter("near is [latitude]|[longitude]|[distance]|[units].")
    latitude, longitude, distance, unit = [*parts, "", ""][:4]
    if unit not in _METRES:
        raise InvalidParameter(f"The distance of near is in {', '.join(code for code in _METRES if code)}.")
    metres = (read(distance) if distance else DEFAULT_KILOMETRES * 1000 / _METRES[unit]) * _METRES[unit]
    if metres < 0:
        raise InvalidParameter("The distance of near is not negative.")
    return Near(asked.rows, _degrees(latitude, 90), _degrees(longitude, 180), min(float(metres), _FARTHEST))


def _degrees(text: str, most: int) -> float:
    degrees = read(text)
    if not -most <= degrees <= most:
        raise InvalidParameter(f"A place is given in degrees, from -{most} to {most}.")
    return float(degrees)


MODIFIERS: Modifiers = {"": Modifier(_near)}
