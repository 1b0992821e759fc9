"""Judges that are not ours: what the server makes itself is read by them, and they speak where they differ.

https://hl7.org/fhir/R4/validation.html, https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fhir_server.cli import doctor as examination
from fhir_server.cli.main import app
from fhir_server.fhir import models
from fhir_server.fhir.json import parse
from fhir_server.validation import reference


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_doctor_finds_this_installation_sound(tmp_path: Path) -> None:
    done = run("doctor", "--data", tmp_path)
    assert done.exit_code == 0, done.output
    assert "fhir-server" in done.output and "Sound" in done.output


#: What a server could make wrongly, and which judge must say so.
UNSOUND: list[tuple[str, dict[str, Any]]] = [
    ("jsonschema", {"resourceType": "OperationOutcome", "issue": []}),
    ("fhir.resources", {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}),
    ("fhir.resources", {"resourceType": "Bundle", "type": "searchset", "links": []}),
    ("jsonschema", {"resourceType": "AuditEvent", "recorded": "yesterday"}),
]


@pytest.mark.parametrize(("judge", "tree"), UNSOUND)
def test_what_the_server_would_make_wrongly_is_noticed(judge: str, tree: dict[str, Any]) -> None:
    assert any(judge in problem for problem in examination.read("made", tree))


#: Lines of a file → how the command ends, and what it counts.
JUDGED = [
    ('{"resourceType":"Patient","id":"a"}', 0, "0 errors, 1 warnings, 0 judged differently"),
    ('{"resourceType":"Patient","id":"a","gender":"x"}', 1, "1 errors"),
    ('{"resourceType":"Patient",', 1, "1 errors"),
    ('{"resourceType":"Foo"}', 1, "1 errors"),
    ('{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1.50}}', 0, "0 err"),
    ('{"resourceType":"EffectEvidenceSynthesis"}', 1, "0 judged differently"),
]


@pytest.mark.parametrize(("line", "code", "said"), JUDGED)
def test_files_are_judged_without_being_written(tmp_path: Path, line: str, code: int, said: str) -> None:
    (tmp_path / "in.ndjson").write_text(line + "\n")
    done = run("validate", tmp_path / "in.ndjson", "--reference", "--data", tmp_path / "var")
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_profile_is_held_to_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"resourceType":"Patient","id":"a"}')
    absent = "http://profiles.example/absent"
    done = run("validate", tmp_path / "in.json", "--profile", absent, "--data", tmp_path / "var")
    assert done.exit_code == 1 and "not known" in done.output


def test_judges_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = parse(b'{"resourceType":"Patient","gender":"x"}')
    assert reference.differs(tree) is None
    # The other engine with looser rules stands for an engine that is wrong.
    monkeypatch.setattr(reference, "reference", lambda type: reference.of_schema({}))
    assert reference.differs(tree) == "Patient: accepted by jsonschema only."


def test_types_that_the_models_left_out_have_none() -> None:
    assert models.has_model("Patient") and not models.has_model("EffectEvidenceSynthesis")
    assert not models.has_model("../Patient")


def test_the_words_of_a_model_never_repeat_a_value() -> None:
    [problem] = models.problems({"resourceType": "Patient", "birthDate": "Durand"})
    assert problem.startswith("Patient.birthDate") and "Durand" not in problem
