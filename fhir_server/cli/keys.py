"""`fhir-server keys`: the keys that id_tokens are signed with."""

from __future__ import annotations

import typer

from fhir_server.cli.options import Data, out, refuse, settings
from fhir_server.smart.tokens.signing_keys import Keys, key_file

keys = typer.Typer(help="Keys that id_tokens are signed with.", no_args_is_help=True)


@keys.callback()
def _keys() -> None:
    """Keys that id_tokens are signed with."""


@keys.command()
def rotate(data: Data = None) -> None:
    """Sign with a new key from now on, while the server serves; the old one stays published for its time."""
    folder = settings(data=data).data
    above = next(one for one in folder.absolute().parents if one.exists())
    if not folder.exists() and above.is_dir():
        # A new key in a mistyped folder would be taken for the server's own.
        refuse(f"There is no folder {folder}: --data or FHIR_DATA names the server's.")
    out.print(f"Signing key: {Keys(key_file(folder)).rotate()}")
