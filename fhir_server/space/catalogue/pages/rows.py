"""Every page of the catalogue: its address, what answers, who may, and where it is linked from.

The modules that answer are read when somebody first comes to them, not when the server starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.catalogue.impact_assessment import LARGEST
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.visitors import acts, administers, professional

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account


def staff(account: Account) -> bool:
    """Whether the account works on the catalogue."""
    return account.staff and bool(account.duties)


def publishes(account: Account) -> bool:
    """Whether the account files apps."""
    return account.staff and "publisher" in account.duties and account.organization is not None


ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mes-applications",
        "my_apps:show",
        acts,
        label=("Mes applications", "My apps"),
        about=("Ce qu’elles ont le droit de faire, et comment y mettre fin", "What they may do, and how to end it"),
        rank=40,
        home=(
            "Patients et proches : mes applications, et qui a ouvert mon dossier",
            "Patients and those who act for them: my apps, and who opened my record",
        ),
    ),
    Page("GET", "/mes-applications/{patient}", "my_apps:show_patient", acts),
    Page("POST", "/mes-applications/{patient}/withdraw", "my_apps:withdraw", acts),
    Page("GET", "/mes-applications/{patient}/report/{app}", "my_apps:show_report", acts),
    Page("POST", "/mes-applications/{patient}/report/{app}", "my_apps:report", acts),
    Page(
        "GET",
        "/outils",
        "tools:show",
        professional,
        label=("Mes outils", "My tools"),
        about=("Logiciels ouverts sur le patient en cours", "Software opened on the patient at hand"),
        rank=40,
        home=("Professionnels : mes outils", "Professionals: my tools"),
    ),
    Page(
        "GET",
        "/referencement",
        "desk:show",
        staff,
        label=("Référencement des applications", "Referencing of apps"),
        about=("Dossiers des éditeurs, étape par étape", "Files of publishers, step by step"),
        rank=10,
        home=("Éditeurs et commission : le référencement", "Publishers and the commission: referencing"),
    ),
    Page("GET", "/referencement/nouveau", "submission:show_new", publishes),
    Page("POST", "/referencement/nouveau", "submission:file_new", publishes, long=True),
    Page("GET", "/referencement/nouveau/{app}", "submission:show_version", publishes),
    Page("POST", "/referencement/nouveau/{app}", "submission:file_version", publishes, long=True),
    Page("GET", "/referencement/{file}/completer", "submission:show_completing", publishes),
    Page("POST", "/referencement/{file}/completer", "submission:complete", publishes, long=True),
    Page("GET", "/referencement/{file}", "desk:show_file", staff),
    Page("POST", "/referencement/{file}", "desk:take", staff, long=True),
    Page("GET", "/referencement/{file}/analyse-impact", "desk:assessment", staff),
    Page(
        "GET",
        "/signalements",
        "reports_desk:show",
        administers,
        label=("Signalements d’applications", "Reports of apps"),
        about=("Ce que des patients signalent", "What patients report"),
        rank=20,
    ),
    Page("POST", "/signalements/{report}", "reports_desk:close", administers, long=True),
    Page(
        "GET",
        "/catalogue",
        "public:show",
        None,
        label=("Catalogue d’applications", "App catalogue"),
        about=("Applications référencées", "Referenced apps"),
        home=("Catalogue d’applications", "App catalogue"),
        header=True,
    ),
    Page("GET", "/catalogue/{app}", "public:show_app", None),
)


def pages(service: Apps) -> ServicePages:
    """The catalogue's pages over one opened store."""
    templates = Path(__file__).parents[1] / "templates"
    return ServicePages("catalogue", __package__, templates, ROWS, service, LARGEST)
