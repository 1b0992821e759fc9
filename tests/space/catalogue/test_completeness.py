"""What a file lacks before anybody verifies it, told all at once: CSP R1111-38."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.catalogue.apps import App, Category
from fhir_server.space.catalogue.impact_assessment import LARGEST, Attached, sent
from tests.space.catalogue.filing import ANSWERS, APP, DPIA, PEOPLE, SUIVI, Desk


def purpose(**changes: Any) -> App:
    return replace(APP, purposes=(replace(SUIVI, **changes),))


#: The app with one thing changed → (where, rule) of what is said of it.
CARDS: list[tuple[App, tuple[str, str]]] = [
    (replace(APP, name=" "), ("app.name", "missing")),
    (replace(APP, name="x" * 4001), ("app.name", "missing")),
    (replace(APP, version=""), ("app.version", "missing")),
    (replace(APP, description=""), ("app.description", "missing")),
    (replace(APP, url="http://carnet.example/"), ("app.url", "https")),
    (replace(APP, url="https://user:word@carnet.example/"), ("app.url", "https")),
    (replace(APP, url="https://[carnet"), ("app.url", "https")),
    (replace(APP, url="javascript:alert(1)"), ("app.url", "https")),
    (replace(APP, privacy_url=""), ("app.privacy_url", "https")),
    (replace(APP, launch_uri="app://launch"), ("app.launch_uri", "https")),
    (replace(APP, redirect_uris=()), ("app.redirect_uris", "no-redirect")),
    *(
        (replace(APP, redirect_uris=(uri,)), ("app.redirect_uris", "redirect"))
        for uri in (
            "javascript:alert(1)",
            "http://carnet.example/retour",
            "https://carnet.example/#x",
            "https://*.example/",
            "carnet://retour",
            "/retour",
        )
    ),
    (replace(APP, redirect_uris=tuple(f"https://a.example/{n}" for n in range(21))), ("app.redirect_uris", "redirect")),
    (replace(APP, jwks="{}"), ("app.jwks", "keys")),
    (replace(APP, jwks="not JSON"), ("app.jwks", "keys")),
    (replace(APP, jwks='{"keys": [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]}'), ("app.jwks", "keys")),
    (replace(APP, jwks="{}", jwks_uri="https://carnet.example/keys"), ("app.jwks", "keys-twice")),
    (replace(APP, jwks_uri="http://carnet.example/keys"), ("app.jwks_uri", "https")),
    (replace(APP, categories=()), ("app.category", "category")),
    (replace(APP, categories=("mesures", "astrologie")), ("app.category", "category")),
    (replace(APP, safety=("x" * 4001,)), ("app.safety", "too-long")),
    (replace(APP, purposes=()), ("app.purpose", "purposes")),
    (replace(APP, purposes=tuple(replace(SUIVI, code=f"p-{n}") for n in range(21))), ("app.purpose", "purposes")),
    (replace(APP, purposes=(SUIVI, SUIVI)), ("app.purpose[1].code", "same-code")),
    (replace(APP, exchanges=False), ("app.purpose", "needless-purpose")),
    (purpose(code="Suivi!"), ("app.purpose[0].code", "purpose-code")),
    (purpose(label=""), ("app.purpose[0].label", "missing")),
    (purpose(justification=""), ("app.purpose[0].justification", "missing")),
    (purpose(retention=" "), ("app.purpose[0].retention", "missing")),
    (purpose(categories=(Category("http://loinc.org", ""),)), ("app.purpose[0].category", "data-category")),
    (purpose(scopes=()), ("app.purpose[0].scope", "scopes")),
    (purpose(scopes=("openid",)), ("app.purpose[0].scope", "scope")),
    (purpose(scopes=("patient/Nothing.r",)), ("app.purpose[0].scope", "scope")),
    (purpose(scopes=("patient/*.rs",)), ("app.purpose[0].scope", "scope-type")),
    (purpose(scopes=("user/Observation.rs",)), ("app.purpose[0].scope", "scope-level")),
    (purpose(scopes=("system/Observation.rs",)), ("app.purpose[0].scope", "scope-level")),
    (purpose(actions=("read",)), ("app.purpose[0].scope", "scope-verbs")),
    (purpose(scopes=("patient/Observation.d",), actions=("read",)), ("app.purpose[0].scope", "scope-verbs")),
    (purpose(scopes=("patient/Observation.*",), actions=("read",)), ("app.purpose[0].scope", "scope-verbs")),
]


async def told(desk: Desk, app: App, answers: dict[str, str], dpia: Attached | None) -> list[tuple[str | None, Any]]:
    with pytest.raises(FhirError) as refusal:
        await desk.referencing.file(PEOPLE["publisher"], app, answers, dpia)
    assert refusal.value.status == 422
    assert [await desk.all(type) for type in ("Task", "Device", "Binary", "AuditEvent")] == [[], [], [], []]
    return [(one.expression, one.key) for one in refusal.value.issues]


@pytest.mark.parametrize(("app", "expected"), CARDS)
async def test_an_app_says_what_it_is_and_what_it_exchanges_for(
    desk: Desk, app: App, expected: tuple[str, str]
) -> None:
    assert await told(desk, app, ANSWERS, DPIA) == [expected]


ANSWERED: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({"dpo": " "}, ("answers.dpo", "missing")),
    ({"use": "fun"}, ("answers.use", "option")),
    ({"hds": "oui"}, ("answers.hds", "option")),
    ({"users": "x" * 4001}, ("answers.users", "too-long")),
    ({"secondary-use": "true"}, ("answers.secondary-use", "secondary-use")),
]


@pytest.mark.parametrize(("change", "expected"), ANSWERED)
async def test_each_question_is_answered(desk: Desk, change: dict[str, str], expected: tuple[str, str]) -> None:
    assert await told(desk, APP, {**ANSWERS, **change}, DPIA) == [expected]


ASSESSED: list[tuple[Attached | None, str]] = [
    (None, "missing"),
    (Attached("", DPIA.data), "missing"),
    (Attached("Analyse", b"MZ\x90 a program"), "kind"),
    (Attached("Analyse", b"<html>%PDF-</html>"), "kind"),
    (Attached("Analyse", b"%PDF-" + b" " * LARGEST), "too-large"),
]


@pytest.mark.parametrize(("dpia", "rule"), ASSESSED)
async def test_an_app_that_exchanges_data_comes_with_its_impact_assessment(
    desk: Desk, dpia: Attached | None, rule: str
) -> None:
    assert await told(desk, APP, ANSWERS, dpia) == [("dpia", rule)]


async def test_everything_is_told_at_once(desk: Desk) -> None:
    found = await told(desk, replace(APP, name="", url=""), {}, None)
    assert {"app.name", "app.url", "answers.use", "dpia"} <= {where for where, _ in found}


async def test_an_app_that_exchanges_nothing_is_asked_less(desk: Desk) -> None:
    fewer = {link: ANSWERS[link] for link in ANSWERS if link not in ("hds", "audit", "processors", "secondary-use")}
    quiet = replace(APP, exchanges=False, purposes=())
    assert (await desk.referencing.file(PEOPLE["publisher"], quiet, fewer, None)).state == "filed"


async def test_an_app_for_professionals_may_ask_at_their_level(desk: Desk) -> None:
    app = replace(purpose(scopes=("user/Observation.rs", "system/Observation.c")), audience="professional")
    assert ("app.jwks", "no-keys") in await told(desk, app, ANSWERS, DPIA)
    assert (await desk.file(replace(app, jwks_uri="https://carnet.example/keys"))).state == "filed"


@pytest.mark.parametrize("data", [None, "", 3, "not base64!", "====", "JVBERg"])
def test_an_attachment_without_data_is_none(data: Any) -> None:
    assert sent({"title": "AIPD", "data": data}) is None


def test_an_attachment_s_data_may_have_white_space_in_it() -> None:
    assert sent({"title": "AIPD", "data": "JVBE\r\n Ri0="}) == Attached("AIPD", b"%PDF-")
