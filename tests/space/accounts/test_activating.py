"""Codes, activation and opposition as people do them: CSP R1111-28, R1111-29; OWASP ASVS 2.2.1, 2.3.1, 4.2."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.accounts import codes, moving
from fhir_server.space.accounts.codes import Claimed
from fhir_server.space.accounts.informing import Informing
from fhir_server.space.accounts.moving import Asked
from tests.server.closed import Space
from tests.server.people import PASSWORD
from tests.site.records import send, signed_in
from tests.smart.browser import Browser

NOW = datetime.now(UTC)
INS, SYSTEM, BORN = "269054958815780", "urn:oid:1.2.250.1.213.1.4.10", "1969-05-02"


async def somebody(space: Space, id: str = "n", **more: Any) -> None:
    """Somebody whose space is not open."""
    await space.put(
        {
            "resourceType": "Patient",
            "id": id,
            "active": False,
            "identifier": [{"system": SYSTEM, "value": INS if id == "n" else f"1{id}"}],
            "birthDate": BORN,
            "name": [{"family": "EXEMPLE", "given": ["Nour"]}],
            "address": [{"line": ["1 rue de la Paix"], "postalCode": "35000", "city": "RENNES"}],
            **more,
        }
    )


def letters(folder: Path) -> set[Path]:
    return set(folder.glob("*.pdf"))


async def told(space: Space, folder: Path, patient: str = "n") -> str:
    """The code that somebody is sent, by e-mail or in a letter."""
    records = space.house.services.records
    before = {key for key, _ in await records.list("outbox")}
    before_letters = letters(folder)
    assert await Informing(space.house.services, folder).tell(patient, NOW)
    texts = [json.loads(value)["text"] for key, value in await records.list("outbox") if key not in before]
    texts += [path.read_bytes().decode("latin-1") for path in letters(folder) - before_letters]
    (found,) = re.findall(r"\b[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}\b", "".join(texts))
    return str(found)


async def entered(space: Space, code: str, ins: str = INS, born: str = BORN) -> tuple[Browser, Any]:
    """The page after the three were typed."""
    browser = Browser(space)
    return browser, await send(browser, "/activer", "/activer", ins=ins, born=born, code=code)


def hidden(page: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


async def state(space: Space, patient: str = "n") -> Any:
    (found,) = await moving.found(space.house.repository(), [patient])
    assert found is not None
    return found.state


async def chosen(space: Space, browser: Browser, page: Any, **changes: Any) -> Any:
    """The form of a new account sent, with the code of now."""
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)
    assert secret is not None
    fields = {
        "key": hidden(page, "key"),
        "login": "nour@example.org",
        "password": "un mot de passe long",
        "again": "un mot de passe long",
        "second": pyotp.TOTP(secret[1].replace(" ", "")).now(),
        "terms": "2026-11",
        **changes,
    }
    return await send(browser, "/activer/compte", "/activer", **fields)


@pytest.mark.parametrize("email", [True, False], ids=["by e-mail", "by post"])
async def test_somebody_who_was_told_activates_their_space_and_signs_in(
    space: Space, tmp_path: Path, email: bool
) -> None:
    await somebody(space, **({"telecom": [{"system": "email", "value": "nour@example.org"}]} if email else {}))
    code = await told(space, tmp_path)
    assert [path.stat().st_mode & 0o077 for path in letters(tmp_path)] == ([] if email else [0])
    browser, page = await entered(space, code.lower().replace("-", " "))
    assert page.status_code == 200
    assert "Nour EXEMPLE" in page.text
    assert "espace est activé" in (await chosen(space, browser, page)).text
    assert await state(space) == "activated"
    (there,) = await moving.found(space.house.repository(), ["n"])
    assert there is not None and there.life is not None
    assert (there.tree["active"], there.life.reason, there.life.performer) == (True, "terms 2026-11", "Patient/n")
    # The code is used; the account is theirs, with both factors.
    assert (await entered(space, code))[1].status_code == 403
    account = await space.house.authorization.accounts.by_login("nour@example.org")
    assert account is not None
    assert (account.subject, bool(account.totp)) == ("Patient/n", True)


@pytest.mark.parametrize("steps", ["oppose", "activate", "activate suspend", "die", "activate close"])
async def test_a_code_makes_no_account_of_a_space_that_it_may_not_activate(
    space: Space, tmp_path: Path, steps: str
) -> None:
    """CSP R1111-28, R1111-36: whoever found the letter is not let in to what its holder closed, or uses already."""
    await somebody(space)
    browser, page = await entered(space, await told(space, tmp_path))
    holders = ("oppose", "activate", "close")
    for event in steps.split():
        role: Any = "holder" if event in holders else "operator"
        await moving.move(space.house.repository(), "n", Asked(event, role, NOW, reason="motif"))  # type: ignore[arg-type]
    before = await state(space)
    done = await chosen(space, browser, page)
    assert (done.status_code, await state(space)) == (422, before)
    assert "ne peut plus l’être" in done.text
    assert await space.house.authorization.accounts.by_login("nour@example.org") is None


async def test_an_account_made_while_others_decide_is_closed(space: Space, tmp_path: Path) -> None:
    """Activation and opposition at once, in two windows: where an account is left open the space is activated."""
    await somebody(space)
    code = await told(space, tmp_path)
    (one, first), (two, second) = await entered(space, code), await entered(space, code)
    opposing = send(two, "/activer/opposition", "/activer", key=hidden(second, "key"), what="oppose")
    await asyncio.gather(chosen(space, one, first), opposing)
    account = await space.house.authorization.accounts.by_login("nour@example.org")
    assert (account is not None and account.open) is (await state(space) == "activated")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"login": "n"}, "au moins trois caractères"),
        ({"password": "court", "again": "court"}, "de 12 à 128"),
        ({"again": "un autre mot de passe"}, "diffèrent"),
        ({"terms": ""}, "conditions doivent"),
        ({"terms": "2020-01"}, "conditions doivent"),
        ({"second": "000000"}, "n’est pas le bon"),
        ({"login": "Nathalie"}, "ne peut pas être pris"),
    ],
)
async def test_what_is_wrong_with_an_account_is_said_beside_it_and_nothing_is_kept(
    space: Space, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    await signed_in(space, "nathalie", "Patient/p1")
    await somebody(space)
    browser, page = await entered(space, await told(space, tmp_path))
    refused = await chosen(space, browser, page, **changes)
    assert refused.status_code == 400
    assert words in refused.text
    assert await state(space) == "informed"
    assert "espace est activé" in (await chosen(space, browser, refused)).text


async def test_whatever_is_wrong_is_answered_alike(space: Space, tmp_path: Path) -> None:
    await somebody(space)
    code = await told(space, tmp_path)
    wrong = [
        ("AAAA-AAAA-AAAA", INS, BORN),
        (code, INS, "1969-05-03"),
        (code, "199999999999999", BORN),
        ("", INS, BORN),
        (code, "", BORN),
        (code, INS, ""),
        (code, "*", BORN),
    ]
    answers = set()
    for given, ins, born in wrong:
        _, page = await entered(space, given, ins, born)
        answers.add((page.status_code, page.text.count("ne vont pas ensemble")))
    assert answers == {(403, 1)}
    # A new code makes the one before void.
    again = await told(space, tmp_path)
    assert (await entered(space, code))[1].status_code == 403
    assert (await entered(space, again))[1].status_code == 200


async def test_codes_are_tried_a_few_times_from_one_network_and_others_are_not_kept_out(
    space: Space, tmp_path: Path
) -> None:
    await somebody(space)
    code = await told(space, tmp_path)
    records, own = space.house.services.records, space.house.repository()
    for _ in range(20):
        assert await codes.holder(records, own, Claimed(INS, BORN, "WRONG", "192.0.2.1")) is None
    assert await codes.holder(records, own, Claimed(INS, BORN, code, "192.0.2.1")) is None
    assert await codes.holder(records, own, Claimed(INS, BORN, code, "192.0.2.2")) == "n"


async def test_a_minor_has_no_account_of_their_own_and_their_code_objects_alone(space: Space, tmp_path: Path) -> None:
    born = f"{NOW.year - 5}-01-01"
    await somebody(space, birthDate=born)
    browser, page = await entered(space, await told(space, tmp_path), born=born)
    assert "représentant légal" in page.text
    assert "/activer/compte" not in page.text
    fields = {"login": "nour@example.org", "password": "un mot de passe long", "again": "un mot de passe long"}
    refused = await send(browser, "/activer/compte", "/activer", key=hidden(page, "key"), terms="2026-11", **fields)
    assert refused.status_code == 422
    assert await space.house.authorization.accounts.by_login("nour@example.org") is None
    await send(browser, "/activer/opposition", "/activer", key=hidden(page, "key"), what="oppose")
    assert await state(space) == "opposed"


async def test_somebody_objects_takes_the_proof_and_changes_their_mind(space: Space, tmp_path: Path) -> None:
    await somebody(space)
    code = await told(space, tmp_path)
    browser, page = await entered(space, code)
    key = hidden(page, "key")
    done = await send(browser, "/activer/opposition", "/activer", key=key, what="oppose")
    assert "aucun espace ne sera ouvert" in done.text
    assert await state(space) == "opposed"
    proof = await send(browser, "/activer/preuve", "/activer", key=hidden(done, "key"))
    assert (proof.headers["content-type"], proof.content[:5]) == ("application/pdf", b"%PDF-")
    assert b"R1111-28" in proof.content
    # It is neither opened by time nor told again, and is withdrawn with the same code.
    with pytest.raises(Invalid):
        await Informing(space.house.services, tmp_path).tell("n", NOW)
    browser, page = await entered(space, code)
    done = await send(browser, "/activer/opposition", "/activer", key=hidden(page, "key"), what="withdraw")
    assert "retirée" in done.text
    assert await state(space) == "open"
    assert (await send(browser, "/activer/preuve", "/activer", key=hidden(page, "key"))).status_code == 403


@pytest.mark.parametrize("path", ["/activer/compte", "/activer/opposition", "/activer/preuve"])
async def test_nothing_follows_without_the_key_of_the_page(space: Space, path: str) -> None:
    for key in ("", "guessed"):
        answer = await send(Browser(space), path, "/activer", key=key, what="oppose", login="x", password="y" * 12)
        assert answer.status_code == 403


async def test_everybody_not_told_is_told_once(space: Space, tmp_path: Path) -> None:
    for n in range(3):
        await somebody(space, f"w{n}")
    await somebody(space, "dead", deceasedBoolean=True)
    informing = Informing(space.house.services, tmp_path)
    assert await informing.all(NOW) == 3
    assert await informing.all(NOW) == 0
    # A process that died before the code was sent: it is sent now.
    await space.house.services.records.take(codes.CODE, "w1")
    assert await informing.all(NOW) == 1
    assert [await state(space, f"w{n}") for n in range(3)] == ["informed"] * 3


async def test_a_holder_closes_their_space_and_opens_it_again(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": BORN, "name": [{"family": "DEMO"}]})
    browser = await signed_in(space)
    page = (await browser.http.get("/mon-compte")).text
    assert "ouvert, pas encore activé" in page
    refused = await send(browser, "/mon-compte/p1", "/mon-compte", event="close", password="wrong")
    assert refused.status_code == 403
    assert await state(space, "p1") == "open"
    done = await send(browser, "/mon-compte/p1", "/mon-compte", event="close", password=PASSWORD, deletion="yes")
    assert "C’est fait" in done.text, done.text
    (closed,) = await moving.found(space.house.repository(), ["p1"])
    assert closed is not None and closed.life is not None
    assert (closed.life.state, closed.life.deletion) == ("closed", True)
    done = await send(browser, "/mon-compte/p1", "/mon-compte", event="reopen")
    assert await state(space, "p1") == "open"
    assert (await send(browser, "/mon-compte/p1", "/mon-compte", event="activate")).status_code == 400
    await send(browser, "/mon-compte/p1", "/mon-compte", event="activate", terms="2026-11")
    assert await state(space, "p1") == "activated"
    # What only the operator does, and what cannot be, changes nothing.
    for event in ("suspend", "die", "lift", "oppose", "due", "x"):
        assert (await send(browser, "/mon-compte/p1", "/mon-compte", event=event)).status_code in (404, 422)
    assert await state(space, "p1") == "activated"


async def test_who_acts_for_others_decides_for_minors_alone(space: Space) -> None:
    year = NOW.year
    for id, born in (("p1", BORN), ("p2", f"{year - 5}-01-01"), ("p3", f"{year - 30}-01-01")):
        await space.put({"resourceType": "Patient", "id": id, "birthDate": born, "name": [{"family": f"NOM{id}"}]})
    browser = await signed_in(space, "parent", "Patient/p1", wards=("p2", "p3"))
    page = (await browser.http.get("/mon-compte")).text
    assert "NOMp2" in page
    assert "NOMp3" not in page
    assert (await send(browser, "/mon-compte/p3", "/mon-compte", event="close", password=PASSWORD)).status_code == 404
    assert (await send(browser, "/mon-compte/p9", "/mon-compte", event="close", password=PASSWORD)).status_code == 404


async def test_a_suspension_is_traced_and_contested(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": BORN})
    await moving.move(space.house.repository(), "p1", Asked("suspend", "operator", NOW, reason="fraude"))
    browser = await signed_in(space)
    page = (await browser.http.get("/mon-compte")).text
    assert "suspendu par le service" in page
    assert "fraude" not in page
    await send(browser, "/mon-compte/p1", "/mon-compte", event="object")
    (found,) = await moving.found(space.house.repository(), ["p1"])
    assert found is not None and found.life is not None
    assert (found.life.event, found.life.next, found.life.performer) == ("object", None, "Patient/p1")
