"""What people are told of what the operator did to their identity: a row of `occasions.OCCASIONS`."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.space.notices.occasion import Occasion, both

IDENTITIES: Mapping[str, Occasion] = {
    "identity": Occasion(
        "access",
        "/mes-rectifications",
        both(
            ("Votre espace santé a été actualisé", "Une rectification a été faite dans votre espace santé."),
            ("Your health space was put right", "Something was put right in your health space."),
        ),
        both(
            ("L’espace santé d’un proche a été actualisé", "Une rectification a été faite dans l’espace d’un proche."),
            ("A relative’s space was put right", "Something was put right in the space of somebody you act for."),
        ),
    ),
}
