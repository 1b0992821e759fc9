"""The identity providers people may sign in with, as configured, and what each kind of them is asked for.

OpenID Connect Core §3.1.2.1; https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect,
https://docs.partenaires.franceconnect.gouv.fr. Secrets come from a file or a variable and are never printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from fhir_server.settings import IdentityProvider, Settings
from fhir_server.smart.secret import digest

Kind = Literal["psc", "franceconnect", "oidc"]

#: Kind → (scope asked, acr_values asked, levels of which one must come back; () for any).
#: eIDAS levels: 1 low, 2 substantial, 3 high. Pro Santé Connect says eidas1; FranceConnect+ starts at eidas2.
KINDS: dict[Kind, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "psc": ("openid scope_all", ("eidas1",), ("eidas1", "eidas2", "eidas3")),
    "franceconnect": (
        "openid given_name family_name birthdate gender birthplace birthcountry preferred_username",
        ("eidas2",),
        ("eidas2", "eidas3"),
    ),
    "oidc": ("openid profile", (), ()),
}
#: Where the simulators are, under the issuer of this server: id → (kind, name).
SIMULATED: dict[str, tuple[Kind, str]] = {
    "psc": ("psc", "Pro Santé Connect (simulateur)"),
    "franceconnect": ("franceconnect", "FranceConnect+ (simulateur)"),
}
SIMULATED_CLIENT = "fhir-server"


@dataclass(frozen=True, slots=True)
class Provider:
    """One identity provider.

    Attributes:
        id: in this server's own addresses.
        issuer: absolute; or, of a simulator, a path under this server's issuer.
        scope, acr_values: asked for.
        levels: `acr` of which the id_token must have one; () for any.
        simulated: whether it is part of this process.
    """

    id: str
    kind: Kind
    name: str
    issuer: str
    client_id: str
    secret: str = field(repr=False)
    scope: str
    acr_values: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    simulated: bool = False


def simulated_secret() -> str:
    """The secret the simulators know this server by: anyone may sign in as anyone there, so nothing hangs on it."""
    return digest(f"simulated\n{SIMULATED_CLIENT}")


def configured(settings: Settings, simulated_secret: str = "") -> tuple[Provider, ...]:
    """The providers of `settings`, the simulators last when they are on.

    Args:
        settings: of this server.
        simulated_secret: that the simulators know this server by.

    Raises:
        ValueError: two have one id, or a secret is not there; in words for who configures.
    """
    found = [_provider(one) for one in settings.identity_providers]
    if settings.simulators:
        found += [_simulator(id, simulated_secret) for id in SIMULATED]
    if len({one.id for one in found}) != len(found):
        raise ValueError("FHIR_IDENTITY_PROVIDERS: two providers have the same id.")
    return tuple(found)


def _provider(one: IdentityProvider) -> Provider:
    scope, acr_values, levels = KINDS[one.kind]
    asked = one.acr_values or acr_values
    return Provider(
        one.id,
        one.kind,
        one.name,
        one.issuer.rstrip("/"),
        one.client_id,
        _secret(one),
        one.scope or scope,
        asked,
        _at_least(one.acr_values) or levels,
    )


def _at_least(asked: Iterable[str]) -> tuple[str, ...]:
    """The levels that satisfy `asked`: an eIDAS level is satisfied by those above it."""
    ladder = ("eidas1", "eidas2", "eidas3")
    own = tuple(asked)
    if not own or not set(own) <= set(ladder):
        return own
    return ladder[min(ladder.index(one) for one in own) :]


def _secret(one: IdentityProvider) -> str:
    try:
        text = one.client_secret_file.read_text(encoding="utf-8") if one.client_secret_file else ""
    except OSError:
        raise ValueError(f"FHIR_IDENTITY_PROVIDERS: the secret file of {one.id} cannot be read.") from None
    secret = text.strip() or os.environ.get(one.client_secret_variable, "")
    if not secret:
        raise ValueError(f"FHIR_IDENTITY_PROVIDERS: {one.id} has no secret.")
    return secret


def _simulator(id: str, secret: str) -> Provider:
    kind, name = SIMULATED[id]
    scope, acr_values, levels = KINDS[kind]
    issuer = f"/simulators/{id}"
    return Provider(id, kind, name, issuer, SIMULATED_CLIENT, secret, scope, acr_values, levels, simulated=True)
