"""People and software let in by command: whole or not at all, repaired by command, and held to registration's rules.

https://www.rfc-editor.org/rfc/rfc7591#section-2, https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from joserfc.jwk import ECKey
from typer.testing import CliRunner, Result

from fhir_server.app import House, opened
from fhir_server.cli.main import app
from fhir_server.settings import Settings
from fhir_server.smart.people.accounts import Account

T = TypeVar("T")
GOOD = "un mot de passe assez long"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def within(data: Path, use: Callable[[House], Awaitable[T]]) -> T:
    async def used() -> T:
        async with opened(Settings(data=data)) as house:
            return await use(house)

    return asyncio.run(used())


def signs_in(data: Path, login: str, password: str) -> Any:
    return within(data, lambda house: house.authorization.people.sign_in(login, password, "", "192.0.2.1"))


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


#: Why `account add` fails: further arguments, and what is said.
FAILURES = {
    "weak password": (("--subject", "Patient/1", "--password-file", "WEAK"), "12 to 128"),
    "no such subject": (("--subject", "Device/1"), "Patient/id"),
    "not a reference": (("--subject", "1"), "Patient/id"),
}


@pytest.mark.parametrize("why", FAILURES)
def test_a_failed_add_leaves_nothing_and_the_next_one_works(tmp_path: Path, why: str) -> None:
    arguments, said = FAILURES[why]
    weak = written(tmp_path / "weak", "court")
    failed = run("account", "add", "zoe", *(weak if one == "WEAK" else one for one in arguments), "--data", tmp_path)
    assert failed.exit_code == 2 and said in failed.output
    assert "zoe" not in run("account", "list", "--data", tmp_path).output
    good = written(tmp_path / "good", GOOD)
    added = run("account", "add", "zoe", "--subject", "Patient/1", "--password-file", good, "--data", tmp_path)
    assert added.exit_code == 0, added.output
    assert signs_in(tmp_path, "zoe", GOOD)[1] == "password"


def test_a_login_that_leads_nowhere_can_be_given_anew(tmp_path: Path) -> None:
    async def cut_short(house: House) -> None:
        await house.authorization.accounts.add(Account("gone", "zoe", "zoe", "Patient/1"))
        await house.engine.records.take("account", "gone")

    within(tmp_path, cut_short)
    assert run("account", "add", "zoe", "--subject", "Patient/1", "--data", tmp_path).exit_code == 0
    assert run("account", "add", "zoe", "--subject", "Patient/1", "--data", tmp_path).exit_code == 1
    assert "zoe\topen\tprovisional code\tPatient/1" in run("account", "list", "--data", tmp_path).output


def test_an_account_is_closed_reopened_and_given_another_password(tmp_path: Path) -> None:
    first, second = written(tmp_path / "1", GOOD), written(tmp_path / "2", GOOD[::-1])
    run("account", "add", "zoe", "--subject", "Patient/1", "--password-file", first, "--data", tmp_path)
    assert run("account", "close", "zoe", "--data", tmp_path).exit_code == 0
    assert "zoe\tclosed" in run("account", "list", "--data", tmp_path).output
    assert signs_in(tmp_path, "zoe", GOOD) == "wrong"
    assert run("account", "reopen", "zoe", "--data", tmp_path).exit_code == 0
    assert signs_in(tmp_path, "zoe", GOOD)[1] == "password"
    assert run("account", "reset", "zoe", "--password-file", second, "--data", tmp_path).exit_code == 0
    assert signs_in(tmp_path, "zoe", GOOD) == "wrong"
    assert signs_in(tmp_path, "zoe", GOOD[::-1])[1] == "password"


def test_a_reset_gives_a_code_takes_the_second_factor_away_and_ends_sessions(tmp_path: Path) -> None:
    file = written(tmp_path / "1", GOOD)
    run("account", "add", "zoe", "--subject", "Patient/1", "--password-file", file, "--totp", "--data", tmp_path)

    async def session(house: House) -> str:
        account = await house.authorization.accounts.by_login("zoe")
        assert account is not None and account.totp
        return await house.authorization.sessions.begin(account.id, "two-factors")

    cookie = within(tmp_path, session)
    done = run("account", "reset", "zoe", "--data", tmp_path)
    assert done.exit_code == 0, done.output
    code = done.output.strip().rpartition(" ")[2]
    account, way = signs_in(tmp_path, "zoe", code)
    assert way == "activate" and account.totp is None
    assert signs_in(tmp_path, "zoe", GOOD) == "wrong"
    assert within(tmp_path, lambda house: house.authorization.sessions.of(cookie)) is None


@pytest.mark.parametrize("command", ["reset", "close", "reopen"])
def test_an_account_that_is_not_there_is_said_so(tmp_path: Path, command: str) -> None:
    run("account", "add", "zoe", "--subject", "Patient/1", "--data", tmp_path)
    done = run("account", command, "nobody", "--data", tmp_path)
    assert done.exit_code == 1 and "There is no account nobody" in done.output


def key_set(**more: Any) -> str:
    key = {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "k", **more}
    return json.dumps({"keys": [key]})


#: What registration refuses, said with the options of the command.
REFUSED = {
    "a script": ("--redirect", "javascript:alert(1)"),
    "data": ("--redirect", "data:text/html,x"),
    "no TLS": ("--redirect", "http://app.example/callback"),
    "a fragment": ("--redirect", "https://app.example/callback#x"),
    "a wildcard": ("--redirect", "https://*.app.example/callback"),
    "a password in it": ("--redirect", "https://u:p@app.example/callback"),
    "no host": ("--redirect", "https:///callback"),
    "relative": ("--redirect", "/callback"),
    "empty": ("--redirect", ""),
    "a script to launch": ("--redirect", "https://app.example/callback", "--launch", "javascript:alert(1)"),
    "no TLS to launch": ("--redirect", "https://app.example/callback", "--launch", "http://app.example/launch"),
    "keys without TLS": ("--jwks-uri", "http://app.example/keys"),
    "keys in a file": ("--jwks-uri", "file:///etc/passwd"),
    "keys twice": ("--jwks-uri", "https://app.example/keys", "--jwks", "KEYS"),
    "a private key": ("--jwks", "PRIVATE"),
    "a key of no kind": ("--jwks", "UNNAMED"),
    "neither keys nor redirect": ("--scope", "patient/*.r"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_the_command_refuses_what_registration_refuses(tmp_path: Path, why: str) -> None:
    files = {
        "KEYS": written(tmp_path / "keys", key_set()),
        "PRIVATE": written(tmp_path / "private", key_set(d="c2VjcmV0")),
        "UNNAMED": written(tmp_path / "unnamed", json.dumps({"keys": [{"kty": "EC"}]})),
    }
    done = run("client", "add", "x", *(files.get(one, one) for one in REFUSED[why]), "--data", tmp_path / "var")
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "var").exists()


#: What an operator may let in, though a stranger could not: a page on the establishment's own network.
ACCEPTED = {
    "an app": ("--redirect", "https://app.example/callback"),
    "on this machine": ("--redirect", "http://127.0.0.1:9000/callback"),
    "opened on a patient": ("--redirect", "https://app.example/cb", "--launch", "https://dossier.chu.internal/launch"),
    "with keys": ("--jwks", "KEYS", "--scope", "system/Patient.rs"),
    "with keys elsewhere": ("--jwks-uri", "https://app.example/keys", "--scope", "system/Patient.rs"),
    "with a secret": ("--redirect", "https://app.example/callback", "--secret"),
}


@pytest.mark.parametrize("who", ACCEPTED)
def test_software_is_let_in(tmp_path: Path, who: str) -> None:
    keys = written(tmp_path / "keys", key_set())
    done = run("client", "add", "x", *(keys if one == "KEYS" else one for one in ACCEPTED[who]), "--data", tmp_path)
    assert done.exit_code == 0, done.output
    assert run("client", "list", "--data", tmp_path).output.startswith("x\tactive")


@pytest.mark.parametrize("id", ["", "two words", "é", "x" * 201, "a\nb"])
def test_a_client_id_is_printable(tmp_path: Path, id: str) -> None:
    done = run("client", "add", id, "--redirect", "https://app.example/callback", "--data", tmp_path)
    assert done.exit_code == 2 and "client id" in done.output
