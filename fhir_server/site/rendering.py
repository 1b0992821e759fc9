"""The pages that FHIR's answers become for people, and how every other page is made.

RGAA 4.1, WCAG 2.1 AA: every page is whole without JavaScript and says its language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_server.fhir.definitions import FHIR_VERSION
from fhir_server.http.calls import Incoming
from fhir_server.http.front import POLICY
from fhir_server.http.long_bodies import conversion
from fhir_server.interactions.exchange import Response
from fhir_server.settings import Settings
from fhir_server.site.links import linked
from fhir_server.site.service_pages import Furnishing
from fhir_server.site.views import view, with_parameter
from fhir_server.site.words import Language, language, said

if TYPE_CHECKING:
    from fastapi import Request
    from jinja2 import Environment

HERE = Path(__file__).parent
#: From this size of JSON on, in bytes, a page is made away from the event loop: laying out costs more than reading.
_LONG = 40_000
#: What the home page suggests to look at first; a closed server, what it shows to everyone.
_PUBLIC = ("Device", "Organization")
_SUGGESTED = ("Patient", "Practitioner", "Organization", "DocumentReference", "Observation", "Appointment")


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a request a page is made from: as `Incoming`, of which it is a part."""

    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    own: tuple[tuple[str, str], ...]
    raw_query: bytes
    headers: Mapping[str, str]

    @staticmethod
    def of(incoming: Incoming) -> Shown:
        """That part of `incoming`."""
        language = incoming.headers.get("accept-language")
        headers = {} if language is None else {"accept-language": language}
        return Shown(incoming.path, incoming.query, incoming.own, incoming.raw_query, headers)


def made_apart(settings: Settings, ways: Furnishing, shown: Shown, response: Response, base: str) -> Response:
    """As `Pages.page`, in whatever process: for a response that is long."""
    return Pages(settings, ways).made(shown, response, base)


class Pages:
    """Makes pages; the templates are read when the first one is asked for."""

    def __init__(self, settings: Settings, ways: Furnishing | None = None) -> None:
        """`ways`: to the pages of services, and their templates."""
        self.settings = settings
        self._ways = ways or Furnishing()

    async def page(self, incoming: Incoming, response: Response, base: str) -> Response:
        """`response` with a page for people as its body, in the language they ask for: an `http.wire.Renders`.

        Raises:
            Unavailable: too many long pages are being made (503).
            TooCostly: the page takes longer than it may (400).
        """
        if len(response.body) > _LONG:
            return await conversion(made_apart, self.settings, self._ways, Shown.of(incoming), response, base)
        return self.made(incoming, response, base)

    def made(self, incoming: Incoming | Shown, response: Response, base: str) -> Response:
        """As `page`, at once and in this process."""
        base = base or "/fhir"
        asked = {name: value for name, value in incoming.own}
        template, values = view(incoming.path, incoming.query, response.body, base, asked.get("view", ""))
        chosen = language(asked.get("lang"), incoming.headers.get("accept-language"))
        query = incoming.raw_query.decode("latin-1")
        here = f"{base}/{'/'.join(incoming.path)}" + (f"?{query}" if query else "")
        body = self._rendered(template, chosen, here, {**values, "status": response.status})
        headers = {**response.headers, "Content-Security-Policy": POLICY, "Content-Language": chosen}
        return replace(response, body=body.encode(), media_type="text/html; charset=utf-8", headers=headers)

    def home(self, request: Request, cast: Sequence[Any] = ()) -> str:
        """The home page as HTML, with what to try in the language of the request; `cast` of a demonstration."""
        suggested = _SUGGESTED if self.settings.open else _PUBLIC
        values = {"suggested": suggested, "fhir_version": FHIR_VERSION, "cast": cast}
        return self.rendered("home.html", request, values)

    def rendered(
        self, template: str, request: Request, values: Mapping[str, Any], chosen: Language | None = None
    ) -> str:
        """A page that is not an answer of FHIR's; `chosen`: its language, when it is known already."""
        base = self.base(request)
        if chosen is None:
            chosen = language(request.query_params.get("lang"), request.headers.get("accept-language"))
        return self._rendered(template, chosen, str(request.url), {"base": base, **values})

    def base(self, request: Request) -> str:
        """The absolute URL of the FHIR base: the setting, or by the request's own Host."""
        return self.settings.base_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}/fhir"

    def _rendered(self, template: str, chosen: Language, here: str, values: Mapping[str, Any]) -> str:
        # An open server has nobody to sign in, and none of the pages behind it.
        common = {"people": not self.settings.open, **self._moments(chosen), "ways": self._ways}
        return _rendered(_environment(self._ways.folders, chosen), template, chosen, here, {**common, **values})

    def _moments(self, chosen: Language) -> Mapping[str, Callable[[Any], str]]:
        from fhir_server.site.moments import day, moment

        zone = self.settings.default_timezone
        return {"moment": lambda given: moment(given, chosen, zone), "day_of": lambda given: day(given, chosen, zone)}


def _rendered(environment: Environment, template: str, chosen: Language, here: str, values: dict[str, Any]) -> str:
    base = values["base"]
    root = base.removesuffix("/fhir")
    return environment.get_template(template).render(
        lang=chosen,
        t=said(chosen),
        say=lambda fr, en: fr if chosen == "fr" else en,
        root=root,
        here=here,
        set=lambda name, value, address=here: with_parameter(address, name, value),
        **values,
    )


@cache
def _environment(folders: tuple[tuple[str, Path], ...], chosen: Language) -> Environment:
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

    from fhir_server.site.spoken import Spoken

    services = PrefixLoader({name: FileSystemLoader(folder) for name, folder in folders})
    made = Spoken(
        chosen,
        loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), services]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # What stands in a template does not change while a server runs.
        auto_reload=False,
    )
    made.filters["linked"] = linked
    return made
