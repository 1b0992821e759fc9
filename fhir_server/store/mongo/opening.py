"""From a URL to an opened store: the database is looked at first, and what is wrong with it is said in a sentence."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from pymongo import AsyncMongoClient, MongoClient, ReadPreference
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.mongo.connected import collections
from fhir_server.store.mongo.engine import MongoEngine
from fhir_server.store.mongo.failures import said
from fhir_server.store.mongo.planning import measured
from fhir_server.store.mongo.schema import prepare
from fhir_server.store.mongo.writer import DURABLE

#: The database of a URL that names none.
DATABASE = "fhir"
#: How long the database is looked for at start, in ms.
_AT_START = 5_000
#: Options of the driver where the URL has none: an election takes up to twelve seconds by default.
_OWN = {"appname": "fhir-server", "serverselectiontimeoutms": 15_000}
#: What the server must be, as its wire says: 13 is MongoDB 5.0, the first with snapshots outside transactions.
_WIRE = 13
#: Seconds by which its clock may differ from this machine's before a warning says so.
_APART = 2.0
_NO_URL = "The store's URL is none of MongoDB: mongodb://HOST:PORT/DATABASE?replicaSet=NAME is."
_NOT_REACHED = "The database of the store cannot be reached, or has no primary."
_log = logging.getLogger(__name__)


def open_engine(url: str, *, max_pending: int, waiting_seconds: float, deadline_seconds: float) -> MongoEngine:
    """The engine on the database that `url` names, which is made ready when it is new.

    Args:
        url: `mongodb://` or `mongodb+srv://`; its path names the database.
        max_pending: writes that may wait; more are refused with 503.
        waiting_seconds: how long one transaction is tried.
        deadline_seconds: how long one read may take.

    Raises:
        Unavailable: it cannot be reached or used; why, without the URL, which may hold a password.
    """
    try:
        asked = parse_uri(url)
        name = asked["database"] or DATABASE
        with MongoClient(url, serverSelectionTimeoutMS=_AT_START, connectTimeoutMS=_AT_START) as client:
            _look_at(client)
            prepare(client.get_database(name, write_concern=DURABLE))
        # What the URL says of pools, times and TLS is the operator's to say.
        own = {name: value for name, value in _OWN.items() if name not in asked["options"]}
        served: Any = AsyncMongoClient(url, **own)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise Unavailable(_NO_URL) from error
    except ServerSelectionTimeoutError as error:
        raise Unavailable(_NOT_REACHED) from error
    except PyMongoError as error:
        raise said(error) from error
    # Whatever the URL says: what was answered is read by who asks next.
    database = served.get_database(
        name, read_concern=ReadConcern("majority"), write_concern=DURABLE, read_preference=ReadPreference.PRIMARY
    )
    return MongoEngine(served, collections(database), max_pending, waiting_seconds, deadline_seconds)


def sizes(url: str) -> tuple[str, dict[str, dict[str, int]]]:
    """The name of the database that `url` names, and what is in it (`planning.measured`); nothing is made there.

    Raises:
        Unavailable: as `open_engine`.
    """
    try:
        name = parse_uri(url)["database"] or DATABASE
        with MongoClient(url, serverSelectionTimeoutMS=_AT_START, connectTimeoutMS=_AT_START) as client:
            return name, measured(client.get_database(name, read_preference=ReadPreference.PRIMARY))
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise Unavailable(_NO_URL) from error
    except ServerSelectionTimeoutError as error:
        raise Unavailable(_NOT_REACHED) from error
    except PyMongoError as error:
        raise said(error) from error


def _look_at(client: Any) -> None:
    """Refuse a server that cannot keep what the store promises.

    Raises:
        Unavailable: it is too old, or no replica set.
    """
    hello = client.admin.command("hello")
    if hello["maxWireVersion"] < _WIRE:
        raise Unavailable("The database of the store is older than MongoDB 5.0.")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise Unavailable("The database of the store is no replica set: transactions need one.")
    apart = abs((datetime.now(UTC) - hello["localTime"].replace(tzinfo=UTC)).total_seconds())
    if apart > _APART:
        _log.warning("The clock of the database and this machine's are %.0f seconds apart.", apart)
