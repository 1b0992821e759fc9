"""National numbers with their check digits: INS (people), RPPS (professionals), FINESS (establishments).

All are demonstration numbers: INS under the OID that ends .11, RPPS beginning 9970, FINESS a department and 99.
The INS is 13 characters (sex, year, month, place of birth, order) and a key: https://fr.wikipedia.org/wiki/Num%C3%A9ro_de_s%C3%A9curit%C3%A9_sociale_en_France
"""

from __future__ import annotations

from datetime import date

#: Corsica's departments count as 19 and 18 in the key.
CORSICA = {"2A": "19", "2B": "18"}


def ins_key(thirteen: str) -> str:
    """The two digits that end an INS: 97 less the number modulo 97."""
    department = thirteen[5:7]
    digits = thirteen[:5] + CORSICA.get(department, department) + thirteen[7:]
    return f"{97 - int(digits) % 97:02d}"


def ins(sex: str, born: date, place: str, order: int) -> str:
    """The 15 characters of an INS.

    Args:
        sex: "M" or "F".
        born: date of birth.
        place: five characters: the INSEE code of the commune, or 99 and the country.
        order: 1 to 999, among those born there that month.
    """
    thirteen = f"{1 if sex == 'M' else 2}{born:%y%m}{place}{order:03d}"
    return thirteen + ins_key(thirteen)


def luhn(digits: str) -> str:
    """The digit that makes `digits` followed by it pass Luhn's check."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 * (doubled > 9)
    return str(-total % 10)


def rpps(order: int) -> str:
    """The 11 digits of a demonstration RPPS number; `order` below a million."""
    ten = f"9970{order:06d}"
    return ten + luhn(ten)


def finess(department: str, order: int) -> str:
    """The 9 characters of a demonstration FINESS number; `order` below ten thousand."""
    eight = f"{department}99{order:04d}"
    # Corsica's letters count as the digits 1 and 2 in the check.
    return eight + luhn(eight.replace("A", "1").replace("B", "2"))
