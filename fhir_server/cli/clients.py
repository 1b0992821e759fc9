"""`fhir-server client`: which software may ask for tokens.

RFC 6749 §2, https://hl7.org/fhir/smart-app-launch/client-authentication.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from fhir_server.access.scopes import SPECIAL, read
from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, row, settings
from fhir_server.settings import Settings
from fhir_server.smart.clients import metadata
from fhir_server.smart.clients.registered import METHODS, Client, RecordedClients
from fhir_server.smart.secret import digest, made

if TYPE_CHECKING:
    from fhir_server.app import House

T = TypeVar("T")

client = typer.Typer(help="Software that may ask for tokens.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Client id.")]


@client.command()
def add(
    id: Id,
    name: Annotated[str, typer.Option(help="Shown to people; the id without one.")] = "",
    redirect: Annotated[list[str] | None, typer.Option(help="Redirect URI, matched exactly; may be repeated.")] = None,
    scope: Annotated[str, typer.Option(help="The most it may be granted: SMART scopes separated by spaces.")] = "",
    jwks: Annotated[Path | None, typer.Option(help="File with its public keys (JWKS).", exists=True)] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="https URL of its public keys.")] = None,
    secret: Annotated[bool, typer.Option("--secret", help="It proves who it is with a secret, printed once.")] = False,
    launch: Annotated[str | None, typer.Option(help="URL that opens it on a patient (EHR launch).")] = None,
    introspects: Annotated[bool, typer.Option("--introspects", help="It may ask about tokens of others.")] = False,
    data: Data = None,
    store: Store = None,
) -> None:
    """Let software in: public without keys or --secret; with keys and no redirect URI, a backend service."""
    chosen = settings(data=data, store=store)
    _refuse_unnamed(id, scope)
    keyed = jwks is not None or jwks_uri is not None
    if keyed and secret:
        refuse("A client has keys or a secret, not both.")
    if not redirect and not keyed:
        refuse("Without keys a client needs a --redirect URI.")
    # What software says of itself over RFC 7591 is said here by an operator: one judgement for both.
    said = {
        "client_name": name or id,
        "token_endpoint_auth_method": METHODS[
            "confidential-asymmetric" if keyed else "confidential-symmetric" if secret else "public"
        ],
        "grant_types": ["authorization_code", "refresh_token"] if redirect else ["client_credentials"],
        "redirect_uris": redirect or [],
        "jwks": _jwks(jwks) if jwks else None,
        "jwks_uri": jwks_uri,
        "initiate_login_uri": launch,
    }
    try:
        found = metadata.read(said, chosen.loopback_keys, vouched=True)
    except metadata.Wrong as wrong:
        refuse(f"{_OPTIONS.get(wrong.words.split()[0], '')}{wrong.words}")
    word = made() if secret else None
    made_client = Client(
        id,
        found.name,
        found.kind,
        secret_hash=digest(word) if word else None,
        jwks=found.jwks,
        jwks_uri=found.jwks_uri,
        redirect_uris=found.redirect_uris,
        scopes=tuple(scope.split()),
        grants=found.grants,
        launch_uri=found.launch_uri or None,
        introspects=introspects,
    )
    if not _with(chosen, lambda clients: clients.add(made_client), new=True):
        refuse(f"There is a client {id} already.", WRONG)
    out.print(f"{id}: {found.kind}, {' and '.join(found.grants)}.", markup=False)
    if word:
        out.print(f"Secret (not shown again): {word}")


@client.command("list")
def list_(data: Data = None, store: Store = None) -> None:
    """Show every client: its id, status, kind, name and scopes, one a line."""
    for one in _with(settings(data=data, store=store), lambda clients: clients.list()):
        row(one.id, one.status, one.kind, one.name, " ".join(one.scopes))


@client.command()
def suspend(id: Id, data: Data = None, store: Store = None) -> None:
    """Give a client no more tokens; those it has end within a second."""
    if not _with(settings(data=data, store=store), lambda clients: clients.set_status(id, "suspended")):
        refuse(f"There is no client {id}.", WRONG)


@client.command()
def resume(id: Id, data: Data = None, store: Store = None) -> None:
    """Let a suspended or draft client in."""
    if not _with(settings(data=data, store=store), lambda clients: clients.set_status(id, "active")):
        refuse(f"There is no client {id}.", WRONG)


#: First word of what is wrong → the option it was given with.
_OPTIONS = {"Each": "--redirect: ", "redirect_uris": "--redirect: ", "initiate_login_uri": "--launch: "}


def _refuse_unnamed(id: str, scope: str) -> None:
    # RFC 6749 appendix A.1: VSCHAR; a space in it would be lost in every address.
    if not re.fullmatch(r"[!-~]{1,200}", id):
        refuse("A client id is 1 to 200 letters, digits and signs of ASCII, without spaces.")
    unknown = [one for one in scope.split() if one not in SPECIAL and read(one) is None]
    if unknown:
        refuse(f"Not a SMART scope: {', '.join(unknown)}.")


def _jwks(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError:
        refuse(f"{file} is not JSON.")
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}.")


def _with(chosen: Settings, use: Callable[[RecordedClients], Awaitable[T]], *, new: bool = False) -> T:
    return opened_with(chosen, lambda house: use(RecordedClients(house.engine.records)), new=new)


def opened_with(chosen: Settings, use: Callable[[House], Awaitable[T]], *, new: bool = False) -> T:
    """What `use` gives of an opened server; `new` lets it be made."""

    async def run() -> T:
        from fhir_server.app import opened

        async with opened(chosen) as house:
            return await use(house)

    with occupied(chosen, new=new):
        return asyncio.run(run())
