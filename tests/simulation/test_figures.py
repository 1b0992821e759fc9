"""Published figures beside what the simulated nation reports of itself: `seed/nation-figures.csv`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.settings import Settings
from fhir_server.simulation.course import STOCKS, beginning, month_number
from fhir_server.simulation.figures import Answer, Compared, compared, figures
from fhir_server.simulation.journal import Journal
from fhir_server.space.indicators.definitions import BY_CODE
from fhir_server.space.indicators.sectors import SECTORS
from fhir_server.space.indicators.telling import as_of
from tests.simulation.stores import lived, lived_in

#: 1,000 people until the figures of January 2024 are asked.
SCALE, LAST = 68_400.0, "2024-01"


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nation")
    done = asyncio.run(lived_in(folder, SCALE, LAST))
    assert done.refused == []
    return folder


async def _rows(folder: Path, scale: float = SCALE) -> dict[str, Compared]:
    async with opened(Settings(data=folder)) as house:
        return {one.figure.code: one for one in await compared(Journal(house.engine.records), scale)}


def test_every_figure_is_asked_of_what_there_is() -> None:
    assert len({one.code for one in figures()}) == len(figures()) > 40
    assert STOCKS
    for one in figures():
        assert one.indicator in BY_CODE
        assert one.month > beginning()
        assert one.source
        assert one.figure > 0
        assert 0 < one.tolerance <= 80
        if one.indicator == "documents":
            assert {*one.columns.split("+"), *one.of.split("+")} - {""} <= set(SECTORS)


def test_what_contradicts_a_figure_is_said_where_it_is_wide() -> None:
    assert all(one.contradiction for one in figures() if one.tolerance > 40)
    assert sum(bool(one.contradiction) for one in figures()) > 15


#: Figures that even so few people tell, all of them within their tolerance.
TOLD = {
    *("told-2023", "opposed-2023", "opposed-2024", "open-2022-11", "open-2022", "open-2023-02", "open-2024-01"),
    *("activated-2022-11", "activated-2023-02", "activated-2023-08", "activated-2024-01", "activated-share-2024-01"),
    *("documents-2023", "patient-2022", "patient-2023", "examined-2023"),
}


async def test_the_nation_in_small_is_as_the_figures_have_it(nation: Path) -> None:
    found = await _rows(nation)
    assert {code for code, one in found.items() if one.verdict == "out"} == set()
    assert {code for code in TOLD if found[code].verdict != "in"} == set()
    due = {one.code for one in figures() if one.month <= month_number(LAST)}
    assert {code for code, one in found.items() if one.verdict == "ahead"} == set(found) - due


async def test_an_answer_is_what_the_indicator_says_to_everybody(nation: Path) -> None:
    async with opened(Settings(data=nation)) as house:
        said = await as_of(house.engine.records, BY_CODE["documents"], datetime(2024, 1, 10, 12, tzinfo=UTC))
    row = (await _rows(nation))["documents-2023"]
    assert row.simulated == said.values["total", "total"] * SCALE  # type: ignore[operator]


async def test_what_is_too_few_is_not_told(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path)) as house:
        await lived(house, 1_000_000, "2022-01")
        rows = {one.figure.code: one for one in await compared(Journal(house.engine.records), 1_000_000)}
    # One document of December 2021.
    assert (rows["documents-2021-12"].verdict, rows["documents-2021-12"].simulated) == ("hidden", None)


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments, "--data", str(folder)])


def test_the_command_compares_and_ends_with_0(nation: Path) -> None:
    done = run(nation, "--check")
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.output.splitlines()}
    assert lines["open-2024-01"].endswith("in")
    assert lines["documents-2025"].endswith("ahead")


@pytest.mark.parametrize(("count", "among"), [(10, None), (3, None), (1_100, None)])
def test_it_ends_with_1_when_a_figure_is_out(nation: Path, count: int, among: int | None) -> None:
    async def answered(answer: bytes | None) -> bytes | None:
        async with opened(Settings(data=nation)) as house:
            journal = Journal(house.engine.records)
            before = await journal.answer("open-2024-01")
            if answer is not None:
                await journal.keep_answer("open-2024-01", answer)
            return before

    before = asyncio.run(answered(msgspec.json.encode(Answer(count, among))))
    try:
        done = run(nation, "--check")
        assert done.exit_code == 1
        assert "out" in next(line for line in done.output.splitlines() if line.startswith("open-2024-01"))
    finally:
        asyncio.run(answered(before))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--from", "July"), 2, "--from is a month"),
        (("--to", "2021-13"), 2, "--to is a month"),
        (("--from", "2021-06"), 2, "nothing is known"),
        (("--from", "2022-02", "--to", "2022-01"), 2, "before --to"),
        (("--scale", "1"), 2, "scale"),
        (("--check",), 2, "no store"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.exit_code == code, done.output
    assert words in done.output


def test_a_run_by_command_goes_on_where_it_was(tmp_path: Path) -> None:
    options = ("--scale", "2000000", "--processes", "1")
    assert run(tmp_path, "--to", "2021-08", *options).exit_code == 0
    done = run(tmp_path, "--to", "2021-08", *options)
    assert (done.exit_code, "0 resources, 0 moves" in done.output) == (0, True)
    done = run(tmp_path, "--to", "2021-10", *options)
    assert (done.exit_code, "0 resources, 0 moves" in done.output) == (0, False)
    done = run(tmp_path, "--to", "2021-10", "--scale", "1000000")
    assert (done.exit_code, "another simulation" in done.output) == (1, True)
