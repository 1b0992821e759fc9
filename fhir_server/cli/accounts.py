"""`fhir-server account`: people who may sign in.

OWASP ASVS 2.3: a provisional code is random, used once and short-lived.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.clients import opened_with
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, settings
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.proving import WeakPassword
from fhir_server.smart.secret import made

if TYPE_CHECKING:
    from fhir_server.app import House

account = typer.Typer(help="People who may sign in.", no_args_is_help=True)

Login = Annotated[str, typer.Argument(help="What the person types to sign in.")]


@account.command()
def add(
    login: Login,
    subject: Annotated[str, typer.Option(help="Patient/1, Practitioner/1 or RelatedPerson/1.")],
    name: Annotated[str, typer.Option(help="Shown on pages; the login without one.")] = "",
    ward: Annotated[list[str] | None, typer.Option(help="Id of a patient they act for; may be repeated.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="PractitionerRole/1; may be repeated.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with their password.", exists=True)] = None,
    totp: Annotated[bool, typer.Option("--totp", help="Ask a one-time code too; prints its secret.")] = False,
    data: Data = None,
    store: Store = None,
) -> None:
    """Let a person in: with a provisional code, printed once, or with a password from a file."""
    secret = _totp() if totp else None
    draft = Account(made(), login, name or login, subject, tuple(ward or ()), tuple(role or ()), totp=secret)
    password = password_file.read_text(encoding="utf-8").strip() if password_file else None

    async def use(house: House) -> str | None:
        people = house.authorization.people
        if not await house.authorization.accounts.add(draft):
            refuse(f"There is an account {login} already.", WRONG)
        if password is None:
            return await people.provisional(draft)
        await people.set_password(draft, password)
        return None

    try:
        code = opened_with(settings(data=data, store=store), use, new=True)
    except (ValueError, WeakPassword) as error:
        refuse(str(error))
    out.print(f"{login}: {subject}.")
    if code:
        out.print(f"Provisional code (not shown again, one week): {code}")
    if secret:
        out.print(f"Second factor (not shown again): {secret}")


@account.command()
def close(login: Login, data: Data = None, store: Store = None) -> None:
    """Let a person in no more; their sessions and tokens end within a second."""

    async def use(house: House) -> bool:
        found = await house.authorization.accounts.by_login(login)
        if found is not None:
            await house.authorization.accounts.close(found.id)
        return found is not None

    if not opened_with(settings(data=data, store=store), use):
        refuse(f"There is no account {login}.", WRONG)


def _totp() -> str:
    import pyotp

    return pyotp.random_base32()
