"""The format of a CDA document: by its model when its body is structured, else by what its body is.

ASS_A11-CorresModeleCDA-XdsFormatCode-CISIS of the national nomenclatures (20260629,
https://mos.esante.gouv.fr/NOS/ASS_A11-CorresModeleCDA-XdsFormatCode-CISIS): facts of it, and TROD beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.nos import IHE_FORMAT
from fhir_server.space.record.cda.codes import NATIONAL_FORMATS
from fhir_server.space.record.cda.tree import Node

#: Media type of a body that is not structured → format.
_BODIES: Mapping[str, str] = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "image/jpg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "application/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
}
#: Model of the CI-SIS below 1.2.250.1.213.1.1.1 → format.
_MODELS: Mapping[str, str] = {
    "2.1.1": "urn:asip:ci-sis:avk:2009",
    "2.1.2": "urn:asip:ci-sis:tap:2009",
    "2.1.3": "urn:asip:ci-sis:dci:2009",
    "2.1.4": "urn:asip:ci-sis:psc:2009",
    "2.1.5": "urn:asip:ci-sis:ppv:2009",
    "5.1": "urn:asip:ci-sis:cse-cs8:2017",
    "5.2": "urn:asip:ci-sis:cse-cs9:2017",
    "5.3": "urn:asip:ci-sis:cse-cs24:2017",
    "5.4": "urn:ans:ci-sis:cse-mde:2023",
    "8": "urn:asip:ci-sis:frcp:2011",
    "9": "urn:asip:ci-sis:idap:2011",
    "10": "urn:asip:ci-sis:cva:2017",
    "12.1": "urn:asip:ci-sis:obp-sap:2023",
    "12.2": "urn:asip:ci-sis:obp-snm:2023",
    "12.3": "urn:asip:ci-sis:obp-sne:2023",
    "12.4": "urn:asip:ci-sis:obp-scm:2023",
    "12.5": "urn:asip:ci-sis:obp-sem:2023",
    "13": "urn:asip:ci-sis:vsm:2012",
    "15": "urn:asip:ci-sis:aunv:2013",
    "16": "urn:asip:ci-sis:eunv:2013",
    "17": "urn:asip:ci-sis:sunv:2013",
    "18": "urn:asip:ci-sis:crrtn:2013",
    "20": "urn:asip:ci-sis:pps-paerpa:2017",
    "21": "urn:asip:ci-sis:ldl-ees:2017",
    "22": "urn:asip:ci-sis:dlu:2015",
    "23": "urn:asip:ci-sis:fludt:2017",
    "24": "urn:asip:ci-sis:fludr:2017",
    "25": "urn:asip:ci-sis:pavc:2016",
    "26": "urn:asip:ci-sis:pps-cancer:2017",
    "27": "urn:asip:ci-sis:d2lm-fin:2017",
    "28": "urn:asip:ci-sis:d2lm-fidd:2017",
    "29": "urn:asip:ci-sis:ldl-ses:2017",
    "30": "urn:asip:ci-sis:sdm-mr:2017",
    "32": "urn:asip:ci-sis:crgm:2018",
    "36": "urn:asip:ci-sis:hr:2019",
    "37": "urn:asip:ci-sis:vac:2019",
    "38": "urn:asip:ci-sis:tlm-da:2020",
    "39": "urn:ihe:pharm:pre:2010",
    "40": "urn:asip:ci-sis:cr-anest:2020",
    "41": "urn:asip:ci-sis:cr-cpa:2020",
    "42": "urn:ihe:eyecare:geneyeevalcn:2014",
    "43": "urn:ihe:eyecare:geneyeevalcn:2014",
    "44": "urn:ihe:eyecare:geneyeevalcn:2014",
    "45": "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013",
    "46": "urn:asip:ci-sis:vac-note:2021",
    "47": "urn:ans:ci-sis:img-da:2022",
    "48": "urn:asip:ci-sis:dlu-dlu-dom:2022",
    "49": "urn:asip:ci-sis:dlu-fludt-dom:2022",
    "50": "urn:asip:ci-sis:dlu-fludr-dom:2022",
    "51": "urn:ihe:pcc:ips:2020",
    "52": "urn:ans:ci-sis:bio-ep-bio:2022",
    "54": "urn:ihe:pharm:dis:2010",
    "55": "urn:ihe:lab:xd-lab:2008",
    "56": "urn:asip:ci-sis:ppp:2023",
    "57": "urn:ihe:palm:apsr:2016",
    "58": "urn:asip:ci-sis:export-dui:2023",
    "59": "urn:ans:ci-sis:trod:2024",
}
#: Organ of a report of pathology, in the order of its numbers below 1.3.6.1.4.1.19376.1.8.1.1.2, from 1.
_ORGANS = (
    "breast colon prostate thyroid lung skin kidney cervix endometrium ovary esophagus stomach liver pancreas testis "
    "urinary_bladder lip_oral_cavity pharynx salivary_gland larynx"
).split()
_CI_SIS, _PATHOLOGY = "1.2.250.1.213.1.1.1.", "1.3.6.1.4.1.19376.1.8.1.1."
#: Root of a templateId → format, those of models first: a document may claim IHE's beside its own.
_TEMPLATES: Mapping[str, str] = {
    **{f"{_CI_SIS}{model}": code for model, code in _MODELS.items()},
    **{f"{_PATHOLOGY}2.{n}": f"urn:ihe:pat:apsr:{organ}:2010" for n, organ in enumerate(_ORGANS, 1)},
    f"{_PATHOLOGY}1": "urn:ihe:pat:apsr:all:2010",
    "1.3.6.1.4.1.19376.1.3.3": "urn:ihe:lab:xd-lab:2008",
    "1.3.6.1.4.1.19376.1.9.1.1.1": "urn:ihe:pharm:pre:2010",
    "1.3.6.1.4.1.19376.1.9.1.1.3": "urn:ihe:pharm:dis:2010",
}
_OTHERWISE = "urn:asipSante:modelesHorsProfils:2011"


def format_of(document: Node) -> dict[str, Any]:
    """The format of a document, as a Coding. The order in which it names its models is free."""
    body = document.first("component/nonXMLBody/text")
    if body is not None:
        code = _BODIES.get(body.get("mediaType").lower().partition(";")[0].strip(), _OTHERWISE)
    else:
        roots = {one.get("root") for one in document.all("templateId")}
        code = next((format for root, format in _TEMPLATES.items() if root in roots), _OTHERWISE)
    return {"system": IHE_FORMAT if code.startswith("urn:ihe:") else NATIONAL_FORMATS, "code": code}
