"""The demonstration in a real browser: sign-in, consent, the sample app, the bouquet de services, withdrawal.

https://hl7.org/fhir/smart-app-launch/app-launch.html, WCAG 2.1 §2.1.1 (everything by keyboard), CSP R1111-39 (consent)
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.demo.served import Demo
from tests.demo.walking import NEEDED, Walker, walking

pytestmark = NEEDED
#: Of Gérard DUPONT.
INS = "151125145400108"
FRANCECONNECT, PSC = "S’identifier avec FranceConnect+", "S’identifier avec Pro Santé Connect"


@pytest.fixture
async def walker(demo: Demo) -> AsyncIterator[Walker]:
    async with walking(demo) as found:
        yield found


async def decide(walker: Walker, accepted: tuple[str, ...], refused: tuple[str, ...] = ()) -> None:
    """Each purpose of the sample app, by keyboard: accept is the first choice, refuse the one after it."""
    for purpose in ("identite", "documents", "mesures"):
        await walker.reach(f"purpose-{purpose}")
        await walker.page.keyboard.press("Space" if purpose in accepted else "ArrowDown")
        assert purpose in (*accepted, *refused)
    await walker.follow("Valider mes choix")


async def test_a_patient_consents_reads_writes_and_withdraws_by_keyboard_alone(demo: Demo, walker: Walker) -> None:
    page = walker.page
    await page.goto(f"{demo.app}/carnet/")
    await walker.follow("Se connecter")
    await walker.sign_in("patient")
    await decide(walker, ("identite", "documents", "mesures"))
    await page.wait_for_url(f"{demo.app}/carnet/")
    await walker.said("Le dossier est affiché.")
    assert await page.inner_text("#patient-name") == "Gérard DUPONT"
    assert await page.locator("#documents tr").count() > 3
    async with page.context.expect_page() as opened:
        await walker.press("Ouvrir Prescription arrêt de travail")
    assert (await opened.value).url.startswith(f"blob:{demo.app}/")
    await page.bring_to_front()
    before = await page.locator("#measures li").count()
    await walker.type("weight", "72,5")
    await page.keyboard.press("Enter")
    await walker.said("La mesure est enregistrée.")
    assert await page.locator("#measures li").count() == before + 1
    assert "Poids : 72,5 kg" in await page.locator("#measures li").first.inner_text()
    tokens = await page.evaluate("sessionStorage['demo:/carnet/:session']")

    await page.goto(f"{demo.root}/mes-applications")
    assert "Ajout (Observation" in await page.inner_text("main")
    await walker.follow("Tout retirer à Carnet de démonstration")
    await walker.said("Retiré")

    # The app, as it was: its access has ended, and so has its refresh.
    walker.expected = r"status of (400|401|403) "
    await page.goto(f"{demo.app}/carnet/")
    await page.evaluate("text => sessionStorage['demo:/carnet/:session'] = text", tokens)
    await page.reload()
    await walker.said("L’accès a pris fin.")
    assert not await page.locator("#record").is_visible()
    assert walker.problems


async def test_what_was_refused_is_not_shown_and_what_was_accepted_is(demo: Demo, walker: Walker) -> None:
    page = walker.page
    await page.goto(f"{demo.app}/carnet/")
    await walker.follow("Se connecter")
    await walker.sign_in("parent")
    await walker.follow("Inès HUBERT")
    await decide(walker, ("identite", "mesures"), refused=("documents",))
    await walker.said("Le dossier est affiché.")
    assert await page.inner_text("#patient-name") == "Inès HUBERT"
    assert "Vous n’avez pas autorisé" in await page.inner_text("#documents-said")
    assert await page.locator("#writing").is_visible()


async def test_a_caregiver_comes_by_franceconnect_and_says_for_whom(demo: Demo, walker: Walker) -> None:
    page = walker.page
    await page.goto(f"{demo.app}/carnet/")
    await walker.follow("Se connecter")
    await page.wait_for_selector("input[name=login]")
    await walker.follow(FRANCECONNECT)
    await walker.type("search", "exemple sylvie")
    await walker.enter()
    assert await page.get_by_role("button", name="Sylvie Anne EXEMPLE").count() == 1
    await walker.follow("Sylvie Anne EXEMPLE")
    await walker.follow("Jacqueline BARTHÉLEMY")
    assert "Vous décidez pour Jacqueline BARTHÉLEMY" in await page.inner_text("main")
    await decide(walker, ("identite", "documents", "mesures"))
    await walker.said("Le dossier est affiché.")
    await page.check("#kind-pressure")
    await page.fill("#systolic", "131")
    await page.fill("#diastolic", "80")
    await page.get_by_role("button", name="Enregistrer").click()
    await walker.said("La mesure est enregistrée.")
    assert "131 / 80 mmHg" in await page.inner_text("#measures")


async def test_a_doctor_opens_both_tools_on_the_patient_at_hand_without_typing_again(
    demo: Demo, walker: Walker
) -> None:
    page = walker.page
    await page.goto(f"{demo.root}/outils")
    await walker.follow(PSC)
    await walker.type("search", "garcia alexandre")
    await walker.enter()
    await walker.follow("Alexandre GARCIA")
    await walker.follow("Médecin, Cardiologie et Maladies vasculaires (SM) – Cabinet")
    await walker.follow("Ouvrir un dossier")
    await walker.type("ins", INS)
    await walker.enter()
    await page.wait_for_url("**/patients/s1-pat-21")
    for tool, place, documents in (("Cabinet", "cabinet", True), ("Mesures", "courbes", False)):
        await page.goto(f"{demo.root}/outils")
        # One key on the button, and no page between: neither sign-in nor patient nor consent.
        await walker.follow(f"Ouvrir {tool} de démonstration")
        await page.wait_for_url(f"{demo.app}/{place}/")
        await walker.said("Le dossier est affiché.")
        assert await page.inner_text("#patient-name") == "Gérard DUPONT"
        assert await page.locator("#documents-part").is_visible() is documents


async def test_a_record_opened_in_an_emergency_is_told_to_its_patient_with_the_reason(
    demo: Demo, walker: Walker
) -> None:
    page = walker.page
    await page.goto(f"{demo.root}/outils")
    await walker.sign_in("medecin")
    await page.get_by_role("main").get_by_role("link", name="Ouvrir un dossier").click()
    await page.fill("input[name=ins]", INS)
    await page.locator("input[name=ins]").press("Enter")
    await page.wait_for_url("**/patients/s1-pat-21")
    await page.goto(f"{demo.root}/outils")
    await walker.press("Accès en urgence : Cabinet de démonstration")
    await walker.type("reason", "Perte de connaissance au cabinet")
    await walker.follow("Ouvrir en urgence : Cabinet de démonstration")
    await page.wait_for_url(f"{demo.app}/cabinet/")
    await walker.said("Le dossier est affiché.")

    await page.context.clear_cookies()
    await page.goto(f"{demo.root}/mes-applications")
    await walker.sign_in("patient")
    shown = await page.inner_text("main")
    assert "Amélie COLIN" in shown and "Perte de connaissance au cabinet" in shown and "Urgence" in shown
