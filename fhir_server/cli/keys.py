"""`fhir-server keys`: the keys that id_tokens are signed with."""

from __future__ import annotations

import typer

from fhir_server.cli.clients import opened_with
from fhir_server.cli.occupancy import store_file
from fhir_server.cli.options import Data, Store, out, refuse, settings

keys = typer.Typer(help="Keys that id_tokens are signed with.", no_args_is_help=True)


@keys.callback()
def _keys() -> None:
    """Keys that id_tokens are signed with."""


@keys.command()
def rotate(data: Data = None, store: Store = None) -> None:
    """Sign with a new key from now on, while the server serves; the old one stays published for its time."""
    chosen = settings(data=data, store=store)
    folder = chosen.data
    above = next(one for one in folder.absolute().parents if one.exists())
    if store_file(chosen) is not None and not folder.exists() and above.is_dir():
        # A new key in a mistyped folder would be taken for the server's own.
        refuse(f"There is no folder {folder}: --data or FHIR_DATA names the server's.")
    kid = opened_with(chosen, lambda house: house.authorization.keys.rotate(), new=True)
    out.print(f"Signing key: {kid}")
