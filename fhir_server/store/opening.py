"""From a store's URL to its engine: the one place that knows which engines there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store import private
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.concepts import Concepts
from fhir_server.store.engine import Engine

#: How long a write waits for that of another process, in seconds: the largest that one request may make takes some.
WAITING = 30.0


#: URLs of embedded stores begin so.
EMBEDDED = "sqlite:///"
#: What stands before `://` in those of MongoDB.
MONGO = ("mongodb", "mongodb+srv")


def file_beside(url: str, data: Path) -> Path:
    """The file of an embedded store, beside which stands what is derived from it; for another, its place in `data`."""
    return Path(url.removeprefix(EMBEDDED)) if url.startswith(EMBEDDED) else data / "fhir.sqlite"


def open_engine(url: str, *, max_pending: int, deadline_seconds: float) -> Engine:
    """The engine that keeps its data at `url`.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `mongodb://host:port/database?replicaSet=name`.
        max_pending: writes that may wait; more are refused with 503.
        deadline_seconds: how long one read may take.

    Raises:
        Unavailable: an unknown kind of URL, or a store that cannot be opened.
    """
    scheme, _, rest = url.partition("://")
    if scheme in MONGO:
        return _open_mongo(url, max_pending, deadline_seconds)
    if scheme != "sqlite" or not rest.startswith("/") or len(rest) < 2:
        raise _no_url(url)
    from fhir_server.store.embedded.engine import open_engine as open_embedded

    path = Path(rest[1:])
    return open_embedded(
        private.file(path), max_pending=max_pending, waiting_seconds=WAITING, deadline_seconds=deadline_seconds
    )


def _open_mongo(url: str, max_pending: int, deadline_seconds: float) -> Engine:
    with _driver():
        from fhir_server.store.mongo.opening import open_engine as open_mongo
    return open_mongo(url, max_pending=max_pending, waiting_seconds=WAITING, deadline_seconds=deadline_seconds)


@contextmanager
def _driver() -> Iterator[None]:
    """Around what imports the driver of MongoDB, which an optional extra brings.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("pymongo", "bson"):
            raise
        raise Unavailable("A store on MongoDB needs the optional extra: pip install 'fhir-server[mongo]'.") from error


def _no_url(url: str) -> Unavailable:
    # What follows may be a password.
    scheme, separator, _ = url.partition("://")
    said = f"{scheme}://…" if separator else "What is given"
    return Unavailable(f"{said} is not a store's URL: sqlite:///path and mongodb://host/database are.")


def shard_plan(url: str, database: str | None = None) -> Sequence[str]:
    """How a sharded cluster would divide a store: a script for `mongosh`, with the sizes of a store that is there.

    Args:
        url: as `open_engine`'s. On MongoDB its database is looked at, and nothing is changed.
        database: a name; then no database is looked at, nor where the store is an embedded one.

    Raises:
        Unavailable: an unknown kind of URL, or a database that cannot be reached or used.
    """
    from fhir_server.store.mongo.planning import plan

    scheme = url.partition("://")[0]
    if database is not None or url.startswith(EMBEDDED):
        return [*plan(database or "fhir")]
    if scheme not in MONGO:
        raise _no_url(url)
    with _driver():
        from fhir_server.store.mongo.opening import sizes
    return [*plan(*sizes(url))]


def open_blobs(file: Path, key: bytes) -> Blobs:
    """Where the long content of the store at `file` lies: a folder beside it.

    Args:
        file: as `file_beside` gives it.
        key: a secret of the store, from which handles are made.
    """
    from fhir_server.store.blobs.files import FileBlobs

    return FileBlobs(blobs_beside(file), key)


def blobs_beside(file: Path) -> Path:
    """The folder of content beside a store, or beside a copy of one."""
    return file.with_name(f"{file.name}.blobs")


def require_store(url: str) -> None:
    """Refuse a file that is no whole store, which opening it would make a new one of.

    Args:
        url: as `open_engine`'s; the file stands alone, with nothing beside it.

    Raises:
        Unavailable: not a store of this server, of a newer one, damaged, or not to be opened.
    """
    from fhir_server.store.embedded.backup import require_store as require_embedded

    require_embedded(Path(url.partition("://")[2][1:]))


def open_concepts(folder: Path) -> Concepts:
    """Where terminology stands ready, in a file of `folder`: derived, so that no backup needs it.

    Raises:
        Unavailable: it cannot be opened.
    """
    from fhir_server.store.embedded.concepts import EmbeddedConcepts

    return EmbeddedConcepts(private.file(folder / private.CONCEPTS))
