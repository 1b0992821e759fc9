"""What people are told of those who act for them, and of those for whom they act: rows of `occasions.OCCASIONS`."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.space.notices.occasion import Occasion, both

RELATIVES: Mapping[str, Occasion] = {
    #: Who represents a minor was invited, attached or withdrawn: of who else represents them.
    "representation": Occasion(
        "access",
        "/mes-proches",
        both(
            ("Du nouveau sur vos représentants légaux", "Un représentant légal a été ajouté ou retiré."),
            ("Something new about who represents you", "A legal representative was added or withdrawn."),
        ),
        both(
            (
                "Du nouveau sur les représentants légaux d’un enfant",
                "Un représentant légal d’un enfant que vous représentez est invité, ajouté ou retiré.",
            ),
            (
                "Something new about who represents a child",
                "A legal representative of a child whom you represent was invited, added or withdrawn.",
            ),
        ),
    ),
    #: One representative of a minor decided something of the minor's space: of the other, in their own.
    "representative-act": Occasion(
        "access",
        "/mon-compte",
        both(
            (
                "Une décision pour un enfant que vous représentez",
                "L’autre représentant légal a pris une décision pour l’espace d’un enfant. Vous pouvez revenir dessus.",
            ),
            (
                "A decision for a child whom you represent",
                "The other legal representative decided something of a child’s space. You may take it back.",
            ),
        ),
    ),
    #: An invitation to care for somebody, an answer, an end: of the person alone.
    "delegation": Occasion(
        "access",
        "/mes-proches",
        both(
            (
                "Du nouveau entre vous et vos proches",
                "Une invitation, une réponse ou une fin vous attend parmi vos proches, dans votre espace santé.",
            ),
            (
                "Something new between you and your relatives",
                "An invitation, an answer or an end is waiting among your relatives, in your health space.",
            ),
        ),
    ),
    #: Somebody has come of age: of them alone.
    "majority": Occasion(
        "access",
        "/majorite",
        both(
            (
                "Votre espace santé est à vous",
                "Vous avez dix-huit ans : vos représentants n’y ont plus accès. Voyez ce qui attend votre décision.",
            ),
            (
                "Your health space is yours",
                "You are eighteen: your representatives see it no more. See what waits for your decision.",
            ),
        ),
    ),
}
