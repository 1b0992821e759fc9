"""Which sector a document comes from: by where its author works, as the national feeding figures divide them.

Codes of TRE_R02-SecteurActivite (`context.facilityType`), and of TRE_A00 where no professional wrote it. Imaging has no
sector of its own there: it is what professionals of the town file of class or type imaging.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Sector → what it is called, in French and English; in the order of tables.
SECTORS: Mapping[str, tuple[str, str]] = {
    "biology": ("Biologie médicale", "Laboratories"),
    "hospital": ("Établissements de santé", "Hospitals"),
    "community": ("Professionnels de ville", "Community professionals"),
    "radiology": ("Imagerie de ville", "Community imaging"),
    "pharmacy": ("Pharmacies", "Pharmacies"),
    "care-home": ("Médico-social", "Care homes and social care"),
    "insurance": ("Assurance maladie", "Health insurance"),
    "patient": ("Patients et proches", "Patients and those close to them"),
    "app": ("Applications référencées", "Referenced apps"),
    "other": ("Autres ou non précisé", "Others, or not said"),
}
#: Those whose documents no professional wrote.
NOT_PROFESSIONAL = frozenset({"patient", "app", "insurance"})

_CODES: Mapping[str, str] = {
    **dict.fromkeys(("SA25", "SA29", "SA59"), "biology"),
    **dict.fromkeys(("SA01", "SA02", "SA03", "SA04", "SA36", "SA12", "SA34"), "hospital"),
    **dict.fromkeys(("SA05", "SA07", "SA08", "SA09", "SA52", "SA50", "SA64"), "community"),
    **dict.fromkeys(("SA33", "SA38", "SA39", "SA65"), "pharmacy"),
    **dict.fromkeys(("SA16", "SA17", "SA18", "SA20", "SA21", "SA41"), "care-home"),
    **dict.fromkeys(("SA24", "ALIM_AM"), "insurance"),
    "EXP_PATIENT": "patient",
    "SNR": "app",
}
#: LOINC of a report of imaging, and its class in TRE_A03.
_IMAGING_TYPES, _IMAGING_CLASSES = frozenset({"18748-4"}), frozenset({"31"})


def sector(facility: str, type: str, category: str) -> str:
    """A key of `SECTORS`, from the codes of facilityType, type and category; each "" where it is not said."""
    found = _CODES.get(facility, "other")
    imaging = type in _IMAGING_TYPES or category in _IMAGING_CLASSES
    return "radiology" if found == "community" and imaging else found
