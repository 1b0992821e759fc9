"""`fhir-server account`: people who may sign in.

OWASP ASVS 2.3: a provisional code is random, used once and short-lived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from fhir_server.cli.clients import opened_with
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, row, settings
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.credentials import WeakPassword
from fhir_server.smart.secret import made

if TYPE_CHECKING:
    from fhir_server.app import House

account = typer.Typer(help="People who may sign in.", no_args_is_help=True)

Login = Annotated[str, typer.Argument(help="What the person types to sign in.")]


PasswordFile = Annotated[Path | None, typer.Option(help="File with their password.", exists=True, dir_okay=False)]
Totp = Annotated[bool, typer.Option("--totp", help="Ask a one-time code too; prints its secret.")]

T = TypeVar("T")


@account.command()
def add(
    login: Login,
    subject: Annotated[str, typer.Option(help="Patient/1, Practitioner/1 or RelatedPerson/1.")],
    name: Annotated[str, typer.Option(help="Shown on pages; the login without one.")] = "",
    ward: Annotated[list[str] | None, typer.Option(help="Id of a patient they act for; may be repeated.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="PractitionerRole/1; may be repeated.")] = None,
    password_file: PasswordFile = None,
    totp: Totp = False,
    data: Data = None,
    store: Store = None,
) -> None:
    """Let a person in: with a provisional code, printed once, or with a password from a file."""
    secret = _totp() if totp else None
    draft = Account(made(), login, name or login, subject, tuple(ward or ()), tuple(role or ()), totp=secret)
    password = _password(password_file)

    async def use(house: House) -> str | None:
        free, code = await house.authorization.people.admit(draft, password)
        if not free:
            refuse(f"There is an account {login} already: account reset gives it another password.", WRONG)
        return code

    try:
        code = opened_with(settings(data=data, store=store), use, new=True)
    except (ValueError, WeakPassword) as error:
        refuse(str(error))
    out.print(f"{login}: {subject}.", markup=False)
    _tell(code, secret)


@account.command("list")
def list_(data: Data = None, store: Store = None) -> None:
    """Show every account: login, whether it is open, what it proves itself with, who it is."""
    for one in opened_with(settings(data=data, store=store), lambda house: house.authorization.accounts.list()):
        proof = "password" if one.password else "provisional code" if one.provisional else "no password"
        factor = " and code" if one.totp else ""
        state = "open" if one.open else "closed"
        row(one.login, state, f"{proof}{factor}", one.subject, one.name)


@account.command()
def reset(
    login: Login, password_file: PasswordFile = None, totp: Totp = False, data: Data = None, store: Store = None
) -> None:
    """Give a person a new code, or a password from a file; the old one, sessions and tokens end."""
    secret = _totp() if totp else None
    password = _password(password_file)

    async def use(house: House, found: Account) -> str | None:
        code = await house.authorization.people.reset(found, password, secret)
        await house.authorization.end_access(found.id, apps=True)
        return code

    try:
        _tell(_with(login, data, store, use), secret)
    except WeakPassword as error:
        refuse(str(error))


@account.command()
def close(login: Login, data: Data = None, store: Store = None) -> None:
    """Let a person in no more; their sessions and tokens end within a second."""
    _with(login, data, store, lambda house, found: house.authorization.shut_out(found.id))


@account.command()
def reopen(login: Login, data: Data = None, store: Store = None) -> None:
    """Let a person whose account was closed in again, with the password they had."""
    _with(login, data, store, lambda house, found: house.authorization.accounts.reopen(found.id))


def _with(login: str, data: Path | None, store: str | None, use: Callable[[House, Account], Awaitable[T]]) -> T:
    """What `use` gives of the account with this login."""

    async def found(house: House) -> T:
        known = await house.authorization.accounts.by_login(login)
        if known is None:
            refuse(f"There is no account {login}.", WRONG)
        return await use(house, known)

    return opened_with(settings(data=data, store=store), found)


def _password(file: Path | None) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() if file else None
    except UnicodeDecodeError:
        refuse(f"{file} is not a text in UTF-8.")


def _tell(code: str | None, secret: str | None) -> None:
    if code:
        out.print(f"Provisional code (not shown again, one week): {code}")
    if secret:
        out.print(f"Second factor (not shown again): {secret}")


def _totp() -> str:
    import pyotp

    return pyotp.random_base32()
