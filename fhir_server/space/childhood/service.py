"""Childhood: the health notebook of a child. Arrêté of 14 November 2024 (examinations); CSP L2132-1, R2132-1."""

from __future__ import annotations

from fhir_server.space.service import Service

CHILDHOOD = Service("childhood", pages="fhir_server.space.childhood.pages.rows:pages")
