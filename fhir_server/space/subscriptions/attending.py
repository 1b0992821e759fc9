"""Attends to subscriptions with the words of this space."""

from __future__ import annotations

from fhir_server.space.events.narrowing import narrowed
from fhir_server.space.service import Surroundings
from fhir_server.subscriptions import engine
from fhir_server.subscriptions.delivery import Pace

#: Of a mail, which tells nothing of what it is about (CSP R1111-43).
_SUBJECT = "Du nouveau dans un suivi de l’Espace santé"
_TEXT = """Bonjour,

Il y a du nouveau dans ce que votre logiciel suit. Ouvrez-le pour en prendre connaissance.

---
Something that your software follows has changed: open it to see what.
"""


async def attend(around: Surroundings) -> None:
    """Attend to subscriptions whenever no other worker does, until cancelled."""
    await engine.attend(around, Pace(words=(_SUBJECT, _TEXT)), narrowed)
