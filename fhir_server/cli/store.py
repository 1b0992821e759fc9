"""`fhir-server store`: how the store would be divided on a cluster of several machines."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fhir_server.cli.options import Data, Store, refuse, settings

store = typer.Typer(help="How the store would be divided on a cluster.", no_args_is_help=True)
#: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
_NAME = re.compile(r"[^/\\. \"$*<>:|?\x00-\x1f\x7f]{1,63}")


@store.callback()
def _store() -> None:
    """How the store would be divided on a cluster."""


@store.command()
def plan(
    database: Annotated[
        str | None, typer.Option("--database", help="Plan for a database of this name, without looking at any.")
    ] = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Print how a sharded MongoDB would divide the store, as a script for mongosh; with sizes, of one that is there."""
    from fhir_server.app import shard_plan

    chosen = settings(data=data, store=store)
    if database is not None and not _NAME.fullmatch(database):
        refuse("--database: not a name that MongoDB takes.")
    for line in shard_plan(chosen.store_url, database):
        typer.echo(line)
