"""The French nomenclatures of health (NOS): https://mos.esante.gouv.fr/NOS."""

from __future__ import annotations


def nos(name: str) -> str:
    """The canonical URL of a code system, value set or map from its name: "TRE_R38-SpecialiteOrdinale"."""
    return f"https://mos.esante.gouv.fr/NOS/{name}/FHIR/{name.replace('_', '-')}"


CLASS = nos("TRE_A03-ClasseDocument")
CONFIDENTIALITY = nos("TRE_A08-HL7Confidentiality")
DOCUMENT_TYPES = nos("TRE_A05-TypeDocComplementaire")
FACILITY = nos("TRE_R02-SecteurActivite")
IHE_FORMAT = nos("TRE_A11-IheFormatCode")
NON_PROFESSIONAL = nos("TRE_A00-ProducteurDocNonPS")
PRACTICE = nos("TRE_A01-CadreExercice")
PROFESSION = nos("TRE_G15-ProfessionSante")
ROLE_CLASS = nos("TRE_R260-HL7RoleClass")
ROLE_CODE = nos("TRE_R216-HL7RoleCode")
SPECIALTY = nos("TRE_R38-SpecialiteOrdinale")
VISIBILITY = nos("TRE_A07-StatutVisibiliteDocument")

#: Of `ROLE_CLASS`: a RelatedPerson who cares for somebody, and does not represent them.
CAREGIVER = "CAREGIVER"
#: Of `ROLE_CLASS`: who represents a minor.
GUARDIAN = "GUARD"
#: Of `ROLE_CLASS` and `ROLE_CODE`: guardians, mothers and fathers: a minor's representatives (Code civil, art. 372).
PARENTS = frozenset((GUARDIAN, "PRN", "MTH", "FTH", "NPRN", "NMTH", "NFTH", "ADOPTP", "ADOPTM", "ADOPTF"))
