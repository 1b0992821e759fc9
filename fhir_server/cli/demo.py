"""`fhir-server demo`: the closed server with invented people who may sign in, and a sample app to open.

Refused off loopback: whoever reaches the sign-in page of the simulators may be anyone.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, err, refuse, settings
from fhir_server.cli.seed import SMALL, fill
from fhir_server.cli.serve import address_of, listen, run
from fhir_server.demo.cast import CAST, PEOPLE, SEED, Role
from fhir_server.settings import Settings, is_loopback

if TYPE_CHECKING:
    from fhir_server.app import House
    from fhir_server.demo.pages import Pages
    from fhir_server.demo.poster import Poster
    from fhir_server.demo.stage import Stage

NOT_OURS = (
    "The store holds patients who are not the demonstration's, and in it anyone can be anyone.\n"
    "Give it a folder of its own with --data DIR."
)


demo = typer.Typer(invoke_without_command=True)


@demo.callback()
def serving(
    ctx: typer.Context,
    patients: Annotated[int, typer.Option(min=PEOPLE, help="How many people, when the store is empty.")] = 100,
    host: Annotated[str | None, typer.Option(help="Loopback address to listen on [FHIR_HOST, 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one [FHIR_PORT, 8080].")] = None,
    app_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port of the sample app; else the port after, if it is free."),
    ] = None,
    data: Data = None,
    store: Store = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [FHIR_WORKERS, 1].")] = None,
) -> None:
    """Serve a demonstration on this machine: invented people, their logins, a sample app, simulated providers."""
    if ctx.invoked_subcommand is not None:
        return
    # What is printed must stay in sight: a line for each request would carry it away.
    os.environ.setdefault("FHIR_LOG_LEVEL", "warning")
    chosen = settings(host=host, port=port, data=data, store=store, workers=workers, open=False, simulators=True)
    if not is_loopback(chosen.host):
        refuse(f"The demonstration is refused on {chosen.host}: anyone can be anyone in it.")
    listener = listen(chosen)
    root = address_of(chosen, listener)
    # Tokens are bound to one address, the one that is printed.
    # People of the demonstration invite caregivers, unless somebody said otherwise.
    shown = {} if "caregivers" in chosen.model_fields_set else {"caregivers": "on"}
    chosen = chosen.model_copy(update={"base_url": "", **shown}).placed(listener.getsockname()[1])
    pages = _listening(chosen, app_port)
    with occupied(chosen, new=True):
        poster = asyncio.run(_set_up(chosen, patients, root, pages.origin))
    with pages.serving(chosen.base_url):
        code = run(chosen, listener, poster.lines())
    raise typer.Exit(code)


@demo.command()
def token(
    login: Annotated[str, typer.Argument(help="Who asks, as the demonstration lists them: medecin, patient…")],
    scope: Annotated[str, typer.Option(help="Scopes asked for; all of theirs when none are named.")] = "",
    patient: Annotated[
        str, typer.Option(help="Which patient it is about: an id, an INS, a name; else their own record, or the first.")
    ] = "",
    role: Annotated[str, typer.Option(help="Which exercise of several: words of it, or its id; else the first.")] = "",
    purpose: Annotated[
        str, typer.Option(help="Of use, a professional's: TREAT; BTG opens one record in an emergency, with --reason.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, in words: the patient and their doctor are told.")] = "",
    base: Annotated[
        str, typer.Option(help="FHIR base of the demonstration, when it is not at FHIR_HOST and FHIR_PORT.")
    ] = "",
    data: Data = None,
) -> None:
    """Print an access token of somebody of the demonstration that is running, for curl; it lasts five minutes."""
    import httpx

    from fhir_server.demo import private_files
    from fhir_server.demo.terminal import Person, Refused
    from fhir_server.demo.terminal import token as asked

    chosen = settings(data=data)
    known = next((one for one in CAST if one.login == login), None)
    if known is None:
        refuse(f"Nobody has this login. There are: {', '.join(one.login for one in CAST)}.")
    password = private_files.kept_password(chosen.data)
    if password is None:
        refuse(f"No demonstration was started in {chosen.data}: --data or FHIR_DATA names its folder.")
    own = known.subject.removeprefix("Patient/") if known.subject.startswith("Patient/") else ""
    base = (base or f"http://{chosen.host}:{chosen.port}/fhir").rstrip("/")
    try:
        # An emergency is one patient's.
        wanted = scope or _scope(known, patient or purpose)
        given = asked(base, Person(login, password, wanted, patient or own, role, purpose, reason))
    except Refused as refused:
        refuse(str(refused), WRONG)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        refuse(
            f"The demonstration does not answer at {base} ({type(error).__name__}): --base names where it is.", WRONG
        )
    about = f" on Patient/{given['patient']}" if "patient" in given else ""
    err.print(f"{known.subject}{about}, {given['expires_in']} s: {given['scope']}", markup=False)
    typer.echo(given["access_token"])


def _scope(who: Role, patient: str) -> str:
    """All that somebody may ask for: of the patient in context, or of whoever they may reach."""
    professional = not who.subject.startswith(("Patient/", "RelatedPerson/"))
    return "user/*.cruds" if professional and not patient else "launch/patient patient/*.cruds"


def _listening(chosen: Settings, port: int | None) -> Pages:
    from fhir_server.demo.pages import Pages

    try:
        if port is not None:
            return Pages(chosen.host, port)
        try:
            return Pages(chosen.host, min(chosen.port + 1, 65535))
        except OSError:
            return Pages(chosen.host, 0)
    except OSError as error:
        refuse(f"Cannot listen on {chosen.host} port {port}: {error.strerror}.", WRONG)


async def _set_up(chosen: Settings, patients: int, root: str, origin: str) -> Poster:
    from fhir_server.app import opened
    from fhir_server.demo import private_files
    from fhir_server.demo.cast import PATIENTS
    from fhir_server.demo.poster import Poster
    from fhir_server.population.generation import lately, population
    from fhir_server.population.today import REFERENCE_DAY

    async with opened(chosen) as house:
        ready = await _stage(house).holds_its_people()
        if not ready and await _has_patients(house):
            refuse(NOT_OURS, WRONG)
    if not ready:
        # The cast's records are as the first page tells of them; those of all others go on until last month.
        since = lately(patients, SEED, datetime.now(UTC).date(), PATIENTS)
        told = chain(population(patients, SEED, REFERENCE_DAY), since)
        if await fill(chosen, told, patients, False, 1 if patients < SMALL else 0):
            raise typer.Exit(WRONG)
    password, anew = private_files.password(chosen.data)
    key, jwks = private_files.key(chosen.data)
    async with opened(chosen) as house:
        people = await _stage(house).set_up(origin, jwks, password, anew)
        await _agendas(house)
    return Poster(root, origin, people, password, chosen.data, key, shlex.quote(_program()))


def _stage(house: House) -> Stage:
    from fhir_server.demo.stage import Stage
    from fhir_server.space.catalogue.opening import of

    return Stage(house.repository(), house.authorization, of(house.services).catalogue)


async def _agendas(house: House) -> None:
    from fhir_server.demo.agendas import prepare
    from fhir_server.demo.cast import PATIENTS

    await prepare(house.repository(), house.services.service("agenda"), PATIENTS, datetime.now(UTC))


async def _has_patients(house: House) -> bool:
    from fhir_server.store.filters import EVERYTHING

    return bool(await house.repository().count({"Patient": EVERYTHING}, 1))


def _program() -> str:
    """What runs Python here, as short as it can be typed."""
    program = Path(sys.executable)
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)
