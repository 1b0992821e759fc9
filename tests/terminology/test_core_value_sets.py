"""R4's own value sets expand, but for those of code systems that R4 does not publish, or that nobody can list.

https://hl7.org/fhir/R4/terminologies-valuesets.html, https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from fhir_server.changes.follower import Follower
from fhir_server.fhir.outcome import FhirError
from fhir_server.store.concepts import Wanted
from fhir_server.store.embedded.concepts import EmbeddedConcepts
from fhir_server.terminology.service import Terminology
from tests.engines import an_engine

LICENSED = "is licensed and is not part of R4"
ELSEWHERE = "is kept by others and is not part of R4"
ENDLESS = "has a grammar, not a list"
DEFECT = "is a defect of R4: "
#: What the reason of a value set that does not expand names → why.
REASONS = {
    "http://snomed.info/sct": LICENSED,
    "http://loinc.org": LICENSED,
    "http://www.ama-assn.org/go/cpt": LICENSED,
    "http://nucc.org/provider-taxonomy": LICENSED,
    "urn:iso:std:iso:11073:10101": LICENSED,
    "http://hl7.org/fhir/sid/cvx": ELSEWHERE,
    "http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem": ELSEWHERE,
    "urn:iso:std:iso:3166:-2": ELSEWHERE,
    "https://www.iana.org/time-zones": ELSEWHERE,
    "http://www.ensembl.org": ELSEWHERE,
    "http://varnomen.hgvs.org/": ELSEWHERE,
    "http://www.sequenceontology.org": ELSEWHERE,
    "https://precision.fda.gov/files/": ELSEWHERE,
    "https://precision.fda.gov/apps/": ELSEWHERE,
    "http://www.ncbi.nlm.nih.gov/nuccore": ELSEWHERE,
    "http://www.ncbi.nlm.nih.gov/projects/SNP": ELSEWHERE,
    "http://www.ncbi.nlm.nih.gov/clinvar": ELSEWHERE,
    "http://www.genenames.org": ELSEWHERE,
    "http://cancer.sanger.ac.uk/cancergenome/projects/cosmic": ELSEWHERE,
    "http://www.ebi.ac.uk/ipd/imgt/hla": ELSEWHERE,
    "http://unitsofmeasure.org": ENDLESS,
    "urn:ietf:bcp:13": ENDLESS,
    "urn:ietf:bcp:47": ENDLESS,
    "http://hl7.org/fhir/CodeSystem/task-code": DEFECT + "it names version 3.6.0 of a code system published as 4.0.1",
    "http://hl7.org/fhir/ValueSet/usps-state": DEFECT + "it is imported and not published",
    "http://hl7.org/fhir/ValueSet/dicom-cid29": DEFECT + "it is imported and not published",
}
#: Those that expand to nothing, since R4 says no code of their code system, or none that the filter leaves.
EMPTY = {
    "core/ValueSet/v3-policyHolderRole",
    "core/ValueSet/message-events",
    "core/ValueSet/example-filter",
}


def test_every_one_expands_or_there_is_a_reason(tmp_path: Path, prepared: Path) -> None:
    async def expand() -> tuple[dict[str, str], set[str]]:
        engine = an_engine(tmp_path)
        known = Terminology(lambda: EmbeddedConcepts(prepared), engine.store, Follower(engine))
        refused: dict[str, str] = {}
        empty: set[str] = set()
        try:
            await known.refresh()
            for one in known.concepts.all("ValueSet"):
                found = known.catalogue.value_set(f"{one.url}|{one.version}")
                assert found is not None, one.source
                try:
                    expansion = known.composer.expansion(found, {})
                except FhirError as error:
                    refused[one.source] = str(error)
                    continue
                if not known.concepts.page(expansion.number, Wanted(), 0, 0)[0]:
                    empty.add(one.source)
        finally:
            await known.close()
            await engine.close()
        return refused, empty

    refused, empty = asyncio.run(expand())
    unexplained = {
        source: said
        for source, said in refused.items()
        if not any(f" {named} " in said or f"{named}," in said for named in REASONS)
    }
    assert unexplained == {}
    assert empty == EMPTY
    assert {named for named in REASONS if not any(named in said for said in refused.values())} == set()
