"""The constraint of a granular scope in words: SMART scopes-and-launch-context.html, RGPD art. 7(2)."""

from __future__ import annotations

import pytest

from fhir_server.smart.consent_words import lines
from fhir_server.smart.constraint_words import constraint

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
#: A constraint as software writes it → as a person reads it.
WORDS = [
    (f"category={CATEGORY}|laboratory", "catégorie : résultats de laboratoire", "category: laboratory results"),
    ("category=vital-signs", "catégorie : signes vitaux", "category: vital signs"),
    ("category=laboratory,vital-signs", "catégorie : résultats de laboratoire ou signes vitaux", "category: laboratory results or vital signs"),
    (f"category:not={CATEGORY}|social-history", "catégorie : sauf mode de vie", "category: except social history"),
    ("code=http://loinc.org|8867-4", "code : 8867-4 (LOINC)", "code: 8867-4 (LOINC)"),
    ("code=http://loinc.org|", "code : tout code de LOINC", "code: any code of LOINC"),
    ("date=ge2024-01-01&date=lt2025-01-01", "date : à partir de 2024-01-01 ; date : avant 2025-01-01", "date: from 2024-01-01; date: before 2025-01-01"),
    ("status=final&category=imaging", "état : définitif ; catégorie : imagerie", "status: final; category: imaging"),
    ("body-site:missing=true", "body site non indiqué", "body site not given"),
    ("_tag=urn:x|a%20b", "étiquette : a b (x)", "tag: a b (x)"),
    ("code=urn:x|%E2%80%AEevil", "code : \ufffdevil (x)", "code: \ufffdevil (x)"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "fr", "en"), WORDS)
def test_a_constraint_is_read_not_deciphered(query: str, fr: str, en: str) -> None:
    assert constraint(query) == (fr, en)


@pytest.mark.parametrize("query", [query for query, _, _ in WORDS])
def test_no_line_of_a_consent_page_shows_a_query(query: str) -> None:
    [line] = lines((f"patient/Observation.rs?{query}",))
    for words in (line.fr, line.en):
        assert not {"=", "|", "&", "%", "?"} & set(words) and "http" not in words
        assert words.startswith(
            ("consulter les mesures et résultats (seulement : ", "see measures and results (only: ")
        )
