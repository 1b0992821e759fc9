"""What the database answers when it cannot do something, as the errors that may cross a room.

No message of the driver is passed on: it may name hosts, or hold what was to be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from fhir_server.fhir.outcome import FhirError, InsufficientStorage, TooCostly, TooLarge, Unavailable

#: Seconds after which a client may try again: an election takes a few.
_AGAIN = {"Retry-After": "5"}
#: Codes of the server: https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
_NO_ROOM = frozenset({14031, 10334})
_TOO_LARGE = frozenset({10334, 17419, 17420})
_REFUSED = {
    13: "The database of the store does not let this server in: the user has not the role readWrite.",
    18: "The database of the store does not know the user, or the password is wrong.",
    20: "The database of the store is no replica set: transactions need one.",
    263: "The database of the store is no replica set: transactions need one.",
}


def said(error: PyMongoError, *, reading: bool = False) -> FhirError:
    """What a client is told of an error of the driver."""
    if isinstance(error, ExecutionTimeout) and reading:
        return TooCostly("The search takes longer than the store may spend on it: narrow it.")
    if isinstance(error, DocumentTooLarge):
        return TooLarge("The resource has more to be found by than the store takes.")
    if isinstance(error, OperationFailure):
        return _of_code(error)
    if isinstance(error, ConnectionFailure | WTimeoutError | InvalidOperation):
        return Unavailable("The database of the store cannot be reached now.", headers=_AGAIN)
    return Unavailable("The database of the store cannot do this now.", headers=_AGAIN)


def _of_code(error: OperationFailure) -> FhirError:
    if error.code in _TOO_LARGE:
        return TooLarge("The resource has more to be found by than the store takes.")
    if error.code in _NO_ROOM:
        return InsufficientStorage("The disk of the store is full.")
    return Unavailable(_REFUSED.get(error.code or 0, "The database of the store cannot do this now."), headers=_AGAIN)


@contextmanager
def translated(*, reading: bool = False) -> Iterator[None]:
    """Raise what the driver raises as an error of FHIR.

    Raises:
        Unavailable, InsufficientStorage, TooCostly, TooLarge: as `said`.
    """
    try:
        yield
    except PyMongoError as error:
        raise said(error, reading=reading) from error
