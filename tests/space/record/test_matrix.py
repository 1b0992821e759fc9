"""The matrix of professions and types as a file that an administrator may replace: arrêté of 26 October 2023."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.space.record import matrix
from fhir_server.space.record.matrix import BadMatrix, Matrix
from fhir_server.store.filters import EVERYTHING, NOTHING, Index, Word
from fhir_server.store.matching import matches

G15 = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
OTHER = "https://mos.esante.gouv.fr/NOS/TRE_R291-AutreProfession/FHIR/TRE-R291-AutreProfession"
HEAD = "# version: 7\nprofession,type,read\n"
DENTIST = f"{G15}|40"


def made(folder: Path, text: str) -> Matrix:
    file = folder / "matrix.csv"
    file.write_text(text, "utf-8")
    return matrix.read(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profession,type,read\n*,*,yes\n", "line 1: a matrix says its version"),
        (HEAD, "the row *,* is missing"),
        ("# version: 7\n*,*,yes\n", "line 2: the columns"),
        (HEAD + "*,*,yes,more\n", "line 3: the columns"),
        (HEAD + "*,*\n", "line 3: the columns"),
        (HEAD + "*,*,perhaps\n", "line 3: read is yes or no"),
        (HEAD + "*,*,yes\n*,*,no\n", "line 4: the same as line 3"),
        (HEAD + f"*,*,yes\n\n# a word\n{G15}|4711,*,no\n", "line 6: there is no such profession"),
        (HEAD + f"*,*,yes\n{G15},*,no\n", "line 4: there is no such profession"),
        (HEAD + "*,*,yes\nurn:other|40,*,no\n", "line 4: there is no such profession"),
        (HEAD + "*,*,yes\n*,http://loinc.org|0000-0,no\n", "line 4: there is no such type"),
        (HEAD + "*,*,yes\n*,http://loinc.org|*,no\n", "line 4: there is no such type"),
        (HEAD + "*,*,yes\n*,11488-4,no\n", "line 4: there is no such type"),
        (HEAD + '*,*,"yes\n', "line 3: "),
        ("", "line 1"),
    ],
)
def test_what_is_wrong_with_a_matrix_is_said_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadMatrix) as refused:
        made(tmp_path, text)
    assert said in str(refused.value)


async def test_a_server_with_a_wrong_matrix_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    for content in (None, b"\xff\xfe", (HEAD + "*,*,perhaps\n").encode()):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ValueError, match=r"matrix|line 3"):
            async with opened(Settings(data=tmp_path, open=True, record_matrix=file)):
                pass


@pytest.mark.parametrize(
    ("rows", "profession", "type", "read"),
    [
        # A row that names the type decides before one that does not; then the profession, its system, anybody.
        (["*,*,yes"], DENTIST, "11488-4", True),
        (["*,*,yes", f"{DENTIST},*,no"], DENTIST, "11488-4", False),
        (["*,*,yes", f"{G15}|*,*,no"], DENTIST, "11488-4", False),
        (["*,*,yes", f"{G15}|*,*,no", f"{DENTIST},*,yes"], DENTIST, "11488-4", True),
        (["*,*,yes", f"{DENTIST},*,yes", "*,http://loinc.org|11488-4,no"], DENTIST, "11488-4", False),
        (
            ["*,*,no", "*,http://loinc.org|11488-4,no", f"{DENTIST},http://loinc.org|11488-4,yes"],
            DENTIST,
            "11488-4",
            True,
        ),
        (["*,*,no", f"{G15}|*,http://loinc.org|11488-4,yes"], DENTIST, "34112-3", False),
        (["*,*,no", f"{OTHER}|99,*,yes"], f"{OTHER}|99", "11488-4", True),
    ],
)
def test_the_row_that_says_most_decides(
    tmp_path: Path, rows: list[str], profession: str, type: str, read: bool
) -> None:
    held = made(tmp_path, HEAD + "\n".join(rows))
    system, _, code = profession.rpartition("|")
    who = frozenset({(system, code), ("urn:other", "x")})
    assert held.row(who, f"http://loinc.org|{type}").read == read
    index = Index((Word("type", type, "http://loinc.org"),))
    assert matches(held.refused((who,)), index) == (not read)


def test_a_document_without_a_type_follows_the_row_of_any(tmp_path: Path) -> None:
    closed, opened_to = made(tmp_path, HEAD + "*,*,no\n"), made(tmp_path, HEAD + "*,*,yes\n")
    nobody: frozenset[tuple[str, str]] = frozenset()
    assert (closed.refused((nobody,)), opened_to.refused((nobody,))) == (EVERYTHING, NOTHING)


def test_the_servers_own_matrix_can_be_read() -> None:
    assert matrix.read().version == "2023-10-26"
