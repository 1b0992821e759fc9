"""The apps that the space keeps: found by client id or Device id, and saved.

Everything here is the server's own work, under no caller's grant; callers read Devices through their own Repository
(`space.catalogue.reach`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.changes.cache import Cache, hangs_on
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict
from fhir_server.search.parameters.codes import spelling
from fhir_server.search.parameters.text import fold
from fhir_server.space.catalogue import apps
from fhir_server.space.catalogue.apps import CLIENTS, App
from fhir_server.space.catalogue.reach import APP, ON_LINE
from fhir_server.space.catalogue.rights import opens
from fhir_server.space.names import names
from fhir_server.store.filters import Filter, Refers, Token, both
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Records, Stale, Version

#: Systems of the identifiers that invented patients have: NIR-INS of demonstration and of test.
SYNTHETIC = frozenset({"urn:oid:1.2.250.1.213.1.4.11", "urn:oid:1.2.250.1.213.1.4.10"})
#: Systems of the identifiers that real people have.
REAL = frozenset({"urn:oid:1.2.250.1.213.1.4.8", "urn:oid:1.2.250.1.213.1.4.9"})
#: Apps read at once.
_PAGE = 200


class Catalogue:
    """The apps of one opened store."""

    def __init__(self, repository: Callable[[], Repository], records: Records, cache: Cache) -> None:
        """`repository` gives the store as the server sees it; `cache` is what this worker remembers."""
        self.cache = cache
        self.records = records
        self._repository = repository

    @property
    def repository(self) -> Repository:
        """The store, for the catalogue's own work."""
        return self._repository()

    async def by_client(self, client_id: str) -> App | None:
        """The app whose OAuth client id this is, whatever its status."""
        page = await self.repository.find({"Device": both(APP, _client(client_id))}, count=_PAGE)
        found = (apps.from_body(version.body) for version in page.versions)
        return next((app for app in found if app.client == client_id), None)

    async def get(self, device_id: str) -> App | None:
        """The app that this Device is, whatever its status; None when there is no such Device, or it is no app."""

        async def read() -> App | None:
            hangs_on(("Device", device_id))
            return (await self.at(device_id))[0]

        return await self.cache.get(("app", device_id), read)

    async def at(self, device_id: str) -> tuple[App | None, int]:
        """As `get`, and the version of the Device, for `expected`: what is judged is then what is written over."""
        version = await self.repository.current("Device", device_id)
        if version is None or version.deleted:
            return None, version.version if version else 0
        tree = parse(version.body)
        return (apps.from_device(tree) if apps.is_app(tree) else None), version.version

    async def get_each(self, device_ids: Iterable[str]) -> dict[str, App]:
        """As `get`, of many at once, by id of their Device: as stored now, those that are not there left out."""
        ids, repository = list(dict.fromkeys(device_ids)), self.repository
        with repository.together():
            await repository.ahead([("Device", id) for id in ids])
            versions = [await repository.current("Device", id) for id in ids]
        trees = [parse(one.body) for one in versions if one is not None and not one.deleted]
        return {str(tree.get("id", "")): apps.from_device(tree) for tree in trees if apps.is_app(tree)}

    async def online(self, category: str | None = None, text: str | None = None) -> list[App]:
        """The public catalogue: apps on line whose convention has not ended, by name.

        Args:
            category: a code of https://fhir-server.example/CodeSystem/ens-app-category; None for any.
            text: words that each stand in the name, the description or a purpose's label; case and accents aside.
        """
        now = datetime.now(UTC)
        found = [app for app in await self._find(ON_LINE) if opens(app, now)]
        return [app for app in found if matches(app, category or "", text or "")]

    async def ended(self, now: datetime) -> list[App]:
        """Apps that everybody still finds though their convention has ended."""
        return [app for app in await self._find(ON_LINE) if not opens(app, now)]

    async def all(self) -> list[App]:
        """Every app, whatever its status, by name."""
        return await self._find(APP)

    async def of_publisher(self, organization: str) -> list[App]:
        """Every app of a publisher ("Organization/1"), by name."""
        where = both(APP, Refers("organization", organization))
        return [app for app in await self._find(where) if app.publisher == organization]

    async def publisher(self, app: App) -> str:
        """What the publisher of an app is called; its reference where nobody says."""
        return (await self.publishers([app]))[app.publisher]

    async def publishers(self, found: Iterable[App]) -> dict[str, str]:
        """What the publishers of apps are called, by their references."""
        asked = {app.publisher for app in found}
        known = await names(self.repository, (one for one in asked if one.startswith("Organization/")))
        return {one: known.get(one, one) for one in asked}

    async def save(self, app: App, expected: int | None = None, now: datetime | None = None) -> Version:
        """Keep an app as it is now; every worker judges tokens by it within a second.

        Args:
            app: with the id of its Device.
            expected: version of the Device that was judged, 0 for a new one; None for whatever is there.
            now: aware; the clock's when not given.

        Raises:
            Conflict: another write came first, or the client id is another app's (409).
        """
        put = await self.put(app, expected, now)
        try:
            [version] = await self.repository.transact([put])
        except Stale:
            words = "The app was changed meanwhile, or its client id is another app's."
            raise Conflict(words, key="overtaken") from None
        return version

    async def put(self, app: App, expected: int | None = None, now: datetime | None = None) -> Put:
        """The write that `save` makes, to go with other writes: it claims the client id, which is one app's alone.

        Raises:
            Conflict: the Device is not at version `expected`, or the client id is another app's (409).
        """
        before = await self.repository.current("Device", app.id)
        if expected is not None and (before.version if before else 0) != expected:
            raise Conflict("The app was changed meanwhile.", key="overtaken")
        known = parse(before.body) if before and not before.deleted else None
        tree = apps.to_device(app, known, (now or datetime.now(UTC)).date())
        put = await self.repository.put("Device", app.id, tree, serialize(tree), before)
        # What was stored before claims were kept has none.
        holder = await self.by_client(app.client)
        if holder is not None and holder.id != app.id:
            raise Conflict("The client id is another app's.", key="client")
        return replace(put, claims=frozenset({f"{CLIENTS}|{app.client}"}))

    async def remove(self, device_id: str) -> None:
        """Delete an app that was never referenced; nothing when there is none. Every worker follows within a second."""
        version = await self.repository.current("Device", device_id)
        if version is None or version.deleted or not apps.is_app(parse(version.body)):
            return
        await self.repository.transact([await self.repository.delete(version)])

    async def draft(
        self,
        client: str,
        name: str,
        publisher: str,
        *,
        version: str = "0.1.0",
        description: str = "",
        url: str = "",
        privacy_url: str = "",
        launch_uri: str = "",
        audience: apps.Audience = "patient",
        categories: Sequence[str] = (),
    ) -> App:
        """A new app, kept with status PRESERIE and no purpose: it reads nothing until it is referenced.

        Args:
            client: its OAuth client id, which no app may have yet.
            name: shown to people.
            publisher: "Organization/1".
            version: of the app.
            description, url, privacy_url, launch_uri, audience, categories: as `App`.

        Returns:
            The app; its `id` is the Device's, for `Client.device`.

        Raises:
            Conflict: another app has the client id (409).
        """
        made = App(
            id=self.repository.new_id("Device"),
            client=client,
            name=name,
            publisher=publisher,
            version=version,
            status="PRESERIE",
            categories=tuple(categories),
            audience=audience,
            description=description,
            url=url,
            privacy_url=privacy_url,
            launch_uri=launch_uri,
        )
        await self.save(made, expected=0)
        return made

    async def synthetic(self, patient: str) -> bool:
        """Whether the patient (id) is an invented one: an INS of test or demonstration, and none of a real person."""
        version = await self.repository.current("Patient", patient)
        if version is None or version.deleted:
            return False
        systems = {word.qualifier for word in unpack(version.packed).words if word.param == "identifier"}
        return bool(systems & SYNTHETIC) and not systems & REAL

    async def _find(self, where: Filter) -> list[App]:
        found: list[App] = []
        after = None
        while True:
            page = await self.repository.find({"Device": where}, after=after, count=_PAGE)
            found += [apps.from_body(version.body) for version in page.versions]
            after = page.next
            if after is None:
                return sorted(found, key=lambda app: (fold(app.name), app.id))


def _client(client_id: str) -> Token:
    return Token("identifier", spelling(client_id, CLIENTS), CLIENTS)


def matches(app: App, category: str, text: str) -> bool:
    """Whether an app is of a category (any, where it is "") and says every word of a text: as `Catalogue.online`."""
    words = fold(text).split()
    said = fold(" ".join((app.name, app.description, *(purpose.label for purpose in app.purposes))))
    return category in ("", *app.categories) and all(word in said for word in words)
