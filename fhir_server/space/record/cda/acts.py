"""Which act a CDA document is about, and when that began and ended.

CI-SIS, "Structuration minimale des documents de santé" (documentationOf): of several acts one is the main one, which
alone says when it began; a stay may say it in its place (componentOf).
"""

from __future__ import annotations

from fhir_server.space.record.cda.tree import Node


def main_act(document: Node) -> Node | None:
    """The first act that says when it began, else the first; None where there is none."""
    found = document.all("documentationOf/serviceEvent")
    begun = (one for one in found if one.value("effectiveTime/low") or one.value("effectiveTime"))
    return next(begun, found[0] if found else None)


def begun_and_ended(document: Node, act: Node) -> tuple[Node | None, Node | None, bool]:
    """When an act began and ended, each None where nothing says so; whether the encounter says the first for it."""
    low, high = _low(act.first("effectiveTime")), act.first("effectiveTime/high")
    stay = document.first("componentOf/encompassingEncounter/effectiveTime")
    if low is not None or _low(stay) is None:
        return low, high, False
    return _low(stay), high or (stay.first("high") if stay is not None else None), True


def _low(interval: Node | None) -> Node | None:
    """The beginning of an IVL_TS, which may be one instant; None where it has no value."""
    low = (interval.first("low") or interval) if interval is not None else None
    return low if low is not None and low.get("value") else None
