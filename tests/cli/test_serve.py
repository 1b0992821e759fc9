"""`fhir-server serve` as a process: where it may listen, what it prints, how it stops."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fhir_server.cli.serve import is_loopback
from tests.server.command import fetched, run, until
from tests.server.process import open_serving


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("fhir.example", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_this_machine_s_own_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_open_is_refused_where_others_could_connect(tmp_path: Path) -> None:
    refused = run("serve", "--open", "--host", "0.0.0.0", "--data", tmp_path)
    assert refused.returncode == 2 and "0.0.0.0" in refused.stderr


def test_open_by_variable_is_refused_there_as_well(tmp_path: Path) -> None:
    refused = run("serve", "--data", tmp_path, FHIR_OPEN="true", FHIR_HOST="0.0.0.0")
    assert refused.returncode == 2 and "0.0.0.0" in refused.stderr


def test_off_this_machine_it_needs_to_know_its_public_address(tmp_path: Path) -> None:
    refused = run("serve", "--host", "0.0.0.0", "--data", tmp_path)
    assert refused.returncode == 2 and "FHIR_BASE_URL" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--workers", "0"], {}, "workers"),
        (["--port", "70000"], {}, "port"),
        ([], {"FHIR_MAX_PAGE": "0"}, "max_page"),
    ],
)
def test_a_setting_out_of_range_is_named(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], named: str
) -> None:
    refused = run("serve", "--open", *arguments, "--data", tmp_path, **variables)
    assert refused.returncode == 2 and named in refused.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run("serve", "--open", "--port", port, "--data", tmp_path)
    assert refused.returncode == 1 and port in refused.stderr


def test_a_store_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "fhir.sqlite").write_bytes(b"not a database" * 500)
    refused = run("serve", "--open", "--port", "0", "--data", tmp_path)
    assert refused.returncode == 1 and "cannot start" in refused.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_it_prints_where_to_go_answers_there_and_stops_when_told(tmp_path: Path, workers: int) -> None:
    with open_serving(tmp_path / "data", "--workers", str(workers)) as served:
        for _ in range(8):
            assert json.loads(fetched(f"{served.base}/metadata"))["resourceType"] == "CapabilityStatement"
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0


def test_an_idle_connection_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with (
        open_serving(tmp_path / "data") as served,
        socket.create_connection(("127.0.0.1", int(served.root.rpartition(":")[2]))) as idle,
    ):
        idle.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(100)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0


def test_a_search_parameter_added_while_it_runs_is_indexed_in_the_background(tmp_path: Path) -> None:
    # https://hl7.org/fhir/R4/searchparameter.html
    added = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/SearchParameter/patient-town",
        "name": "town",
        "status": "active",
        "description": "Town of birth",
        "code": "birth-town",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.extension('http://example.org/birth-town').value",
    }
    town = {"url": "http://example.org/birth-town", "valueString": "Étretat"}
    with open_serving(tmp_path / "data") as served:
        sent(f"{served.base}/Patient", {"resourceType": "Patient", "extension": [town]})
        sent(f"{served.base}/SearchParameter", added)
        search = f"{served.base}/Patient?birth-town=etretat"
        until(lambda: answers(search))
        assert json.loads(fetched(search))["total"] == 1


def sent(address: str, resource: dict[str, object]) -> None:
    body = json.dumps(resource).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/fhir+json"})
    urllib.request.urlopen(request, timeout=120).close()


def answers(address: str) -> bool:
    try:
        return bool(fetched(address))
    except urllib.error.HTTPError:
        return False


@pytest.mark.slow
def test_a_worker_that_is_slow_to_start_is_not_ended_for_it(tmp_path: Path) -> None:
    slow, starts = tmp_path / "slow", tmp_path / "starts"
    slow.mkdir()
    # Longer than the five seconds after which uvicorn, left to itself, begins a worker again.
    (slow / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'spawn_main' in ' '.join(sys.orig_argv):\n"
        f"    open({str(starts)!r}, 'a').write('worker\\n')\n"
        "    time.sleep(8)\n"
    )
    with open_serving(tmp_path / "data", "--workers", "2", PYTHONPATH=str(slow)) as served:
        assert json.loads(fetched(f"{served.base}/metadata"))["resourceType"] == "CapabilityStatement"
        workers = [line for line in starts.read_text().splitlines() if line == "worker"]
        assert len(workers) == 2, served.said
