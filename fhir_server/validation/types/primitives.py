"""What a value of each primitive type looks like, as JSON Schema: formats down to real calendar days.

https://hl7.org/fhir/R4/datatypes.html#primitive. Every pattern is written without look-around, so that it runs in time
linear in the value's length, and means the same to Python and to Rust.
"""

from __future__ import annotations

from typing import Any

#: Years 0001 to 9999, and among them those with a 29 February.
_YEAR = "(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_LEAP = "(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"(?:{_YEAR}-{_DAY}|{_LEAP}-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TEXT = r"[^\x00-\x08\x0b\x0c\x0e-\x1f]"
_INK = r"[^\s\x00-\x1f]"

ID = r"[A-Za-z0-9\-.]{1,64}"
MEBIBYTE = 1024 * 1024
INT32 = 2**31 - 1

# The text only recommends that a string is more than white space, and the type's own pattern allows it.
_string = {"type": "string", "minLength": 1, "maxLength": MEBIBYTE, "pattern": f"^{_TEXT}+$"}
#: The second arc under 0 and 1 is less than 40 (ITU-T X.660); none starts with 0 that is not 0.
_OID = r"urn:oid:(?:[01]\.(?:[0-9]|[1-3][0-9])|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*"
_UUID = "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: https://hl7.org/fhir/R4/datatypes.html#uri: an OID or UUID is a URI as a URN, and a UUID is written in lower case.
_uri = {
    "type": "string",
    "minLength": 1,
    "pattern": f"^{_INK}+$",
    "if": {"pattern": "^(?:[Uu][Rr][Nn]:)?(?:[Oo][Ii][Dd]|[Uu][Uu][Ii][Dd]):"},
    # A canonical, or a URI that stands for one, may go on with a version or a fragment.
    "then": {"pattern": f"^(?:{_OID}|{_UUID})(?:[|#]{_INK}*)?$"},
}
_text_id = {"type": "string", "minLength": 1, "maxLength": MEBIBYTE, "pattern": f"^{_INK}+$"}


def _matching(pattern: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "pattern": f"^{pattern}$"}


def _integer(low: int) -> dict[str, Any]:
    return {"$ref": "urn:fhir:integer", "minimum": low, "maximum": INT32}


#: Primitive type → its values. A number may stand only where the type is a number: `"1"` is not an integer.
SCHEMAS: dict[str, dict[str, Any]] = {
    "base64Binary": _matching(
        r"(?:[ \t\r\n]*[A-Za-z0-9+/]{4})*(?:[ \t\r\n]*[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?[ \t\r\n]*"
    ),
    "boolean": {"type": "boolean"},
    "canonical": _uri,
    "code": {"type": "string", "minLength": 1, "maxLength": MEBIBYTE, "pattern": f"^{_INK}+(?: {_INK}+)*$"},
    "date": _matching(f"(?:{_DATE}|{_YEAR}(?:-{_MONTH})?)"),
    "dateTime": _matching(f"(?:{_DATE}(?:T{_TIME}{_ZONE})?|{_YEAR}(?:-{_MONTH})?)"),
    "decimal": {"type": "number"},
    "id": _matching(ID),
    "instant": _matching(f"{_DATE}T{_TIME}{_ZONE}"),
    "integer": _integer(-INT32 - 1),
    "markdown": _string,
    "oid": _matching(_OID),
    "positiveInt": _integer(1),
    "string": _string,
    "time": _matching(_TIME),
    "unsignedInt": _integer(0),
    "uri": _uri,
    "url": _uri,
    "uuid": _matching(_UUID),
    "xhtml": {
        "type": "string",
        "format": "xhtml",
        "x-rule": {
            "key": "txt-1",
            "code": "invariant",
            "text": "The narrative is not the safe XHTML that R4 allows",
            "keywords": ["format"],
        },
    },
    # The `id` of an element inside a resource: any string without white space.
    "System.String": _text_id,
}

#: Documents the schemas refer to. An integer of draft 4 is one *written* as such: later drafts take 1.0, FHIR does not.
REGISTRY: dict[str, dict[str, Any]] = {
    "urn:fhir:integer": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "urn:fhir:integer",
        "type": "integer",
    }
}
