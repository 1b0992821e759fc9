"""Apps that registered themselves: drafts in pre-series, that reach invented patients alone until they are reviewed.

`smart.registration` speaks RFC 7591 and RFC 7592; here is what that makes of the app. From the day the app is
referenced it changes by the catalogue's own workflow. What a publisher registers with their own token is on their desk;
the rest is nobody's.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import msgspec

from fhir_server.access import scopes
from fhir_server.access.grant import Grant
from fhir_server.fhir.outcome import Conflict
from fhir_server.smart.clients.governing import Draft
from fhir_server.smart.clients.metadata import Metadata
from fhir_server.space.catalogue.apps import Action, App, Purpose
from fhir_server.space.catalogue.registry import Catalogue

#: The one purpose of a draft: what it asked for, on invented patients.
TRIAL = "essai"


class AppDrafts:
    """The drafts of one opened store: a `smart.clients.governing.Drafts`."""

    #: A publisher's token that files apps may register them too.
    scope = "user/Task.c"

    def __init__(self, catalogue: Catalogue) -> None:
        """Kept where the catalogue is."""
        self._catalogue = catalogue

    def publisher(self, grant: Grant) -> str:
        """In whose name a token registers; "" for one that may not."""
        files = "publisher" in grant.duties and any(one.covers("Task", "c") for one in grant.scopes)
        return (grant.organization or "") if files else ""

    async def make(self, client: str, publisher: str, metadata: Metadata) -> Draft:
        """A new draft.

        Raises:
            Conflict: the client id is another app's (409).
        """
        app = _described(App(secrets.token_hex(12), client, "", publisher, "", "PRESERIE"), metadata)
        return _to_draft(app, (await self._catalogue.save(app, expected=0)).version)

    async def get(self, id: str, *, stored: bool = False) -> Draft | None:
        """The draft, or what became of it; None when there is no such app."""
        app, version = await self._catalogue.at(id) if stored else (await self._catalogue.get(id), 0)
        return _to_draft(app, version) if app is not None else None

    async def change(self, draft: Draft, client: str, metadata: Metadata) -> Draft | None:
        """The draft with other metadata; None when another change came first, or it is gone."""
        app, version = await self._catalogue.at(draft.id)
        if app is None or version != draft.version:
            return None
        described = _described(app, metadata)
        try:
            return _to_draft(described, (await self._catalogue.save(described, version)).version)
        except Conflict:
            return None

    async def remove(self, id: str) -> None:
        """Forget a draft; nothing when there is none."""
        await self._catalogue.remove(id)


def _to_draft(app: App, version: int) -> Draft:
    return Draft(app.id, version, app.status != "PRESERIE", app.version, app.url, app.privacy_url)


def _described(app: App, metadata: Metadata) -> App:
    """The app with what the metadata says of it; purposes that its publisher filed stay."""
    filed = any(one.code != TRIAL for one in app.purposes)
    return replace(
        app,
        name=metadata.name,
        version=metadata.software_version,
        url=metadata.client_uri,
        privacy_url=metadata.policy_uri,
        launch_uri=metadata.launch_uri,
        redirect_uris=metadata.redirect_uris,
        jwks=msgspec.json.encode(metadata.jwks).decode() if metadata.jwks else "",
        jwks_uri=metadata.jwks_uri or "",
        purposes=app.purposes if filed else _trial(metadata.scopes),
    )


def _trial(asked: tuple[str, ...]) -> tuple[Purpose, ...]:
    held = [one for one in map(scopes.read, asked) if one is not None]
    if not held:
        return ()
    read_too = any(one.verbs & set("rs") for one in held)
    write_too = any(one.verbs & set("cud") for one in held)
    actions: tuple[Action, ...] = (*(("read",) if read_too else ()), *(("write",) if write_too else ()))
    words = ("Essayer l’application avec un patient fictif", "L’application n’a été examinée par personne.")
    texts = tuple(one.text for one in held)
    return (Purpose(TRIAL, words[0], actions, (), words[1], "Le temps de l’essai", texts),)
