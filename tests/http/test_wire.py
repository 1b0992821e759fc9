"""FHIR over HTTP: https://hl7.org/fhir/R4/http.html, RFC 9110, RFC 3986."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from fhir_server.fhir.outcome import Gone, Issue, Malformed
from fhir_server.http import logs
from fhir_server.interactions.exchange import Request, Response
from fhir_server.settings import Settings
from tests.server.stub import BODY, Stub

JSON = {"Content-Type": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml"}


async def test_a_read_gives_the_stored_bytes_and_their_version() -> None:
    response = await Stub().ask("GET", "/fhir/Patient/1")
    assert response.content == BODY
    assert response.headers["etag"] == 'W/"3"'
    assert response.headers["last-modified"] == "Sat, 31 Jan 2026 12:00:00 GMT"
    assert response.headers["content-location"] == "http://fhir.test/fhir/Patient/1/_history/3"
    assert "location" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "private, no-cache"


async def test_a_create_names_the_new_version() -> None:
    response = await Stub().ask("POST", "/fhir/Patient", content=b"{}", headers=JSON)
    assert response.status_code == 201
    assert response.headers["location"] == "http://fhir.test/fhir/Patient/1/_history/1"


async def test_the_base_url_of_the_settings_stands_in_links() -> None:
    stub = Stub(base_url="https://sante.example/fhir/")
    response = await stub.ask("GET", "/fhir/Patient/1")
    assert stub.calls[0].base == "https://sante.example/fhir"
    assert response.headers["content-location"].startswith("https://sante.example/fhir/Patient/1")


async def test_head_is_get_without_the_body() -> None:
    stub = Stub()
    response = await stub.ask("HEAD", "/fhir/Patient/1")
    assert stub.requests[0].method == "GET"
    assert response.content == b""
    assert response.headers["content-length"] == str(len(BODY))


async def test_an_answer_not_modified_has_no_body() -> None:
    async def unmodified(_: Request) -> Response:
        return Response(304, version=3, at=0)

    response = await Stub(unmodified).ask("GET", "/fhir/Patient/1", headers={"If-None-Match": 'W/"3"'})
    assert response.status_code == 304
    assert response.headers["etag"] == 'W/"3"'
    assert "content-type" not in response.headers
    assert response.content == b""


async def test_xml_is_answered_with_every_digit() -> None:
    response = await Stub().ask("GET", "/fhir/Patient/1?_format=xml")
    assert b'<valueDecimal value="1.10"/>' in response.content


@pytest.mark.parametrize(("format", "line"), [("json", b'\n  "id": "1"'), ("xml", b'\n  <id value="1"/>')])
async def test_pretty_puts_one_element_on_a_line(format: str, line: bytes) -> None:
    response = await Stub().ask("GET", f"/fhir/Patient/1?_pretty=true&_format={format}")
    assert line in response.content
    assert b"1.10" in response.content


async def test_pretty_is_true_or_false() -> None:
    assert (await Stub().ask("GET", "/fhir/Patient/1?_pretty=yes")).status_code == 400


async def test_the_wires_own_parameters_do_not_reach_the_handlers() -> None:
    stub = Stub()
    await stub.ask("GET", "/fhir/Patient?name=a%20b&_format=json&_pretty=true&_summary=true&_elements=id&name=c+d")
    assert stub.requests[0].query == (("name", "a b"), ("_summary", "true"), ("_elements", "id"), ("name", "c d"))


async def test_handlers_see_conditions_and_preferences_only() -> None:
    stub = Stub()
    sent = {"If-Match": 'W/"1"', "Prefer": "return=minimal", "Authorization": "Bearer secret", "Cookie": "a=b"}
    await stub.ask("PUT", "/fhir/Patient/1", content=b"{}", headers={**JSON, **sent})
    assert dict(stub.requests[0].headers) == {"if-match": 'W/"1"', "prefer": "return=minimal"}
    assert stub.calls[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("header", "strict", "prefer"),
    [
        (None, True, "representation"),
        ("return=minimal", True, "minimal"),
        ("return=OperationOutcome; handling=lenient", False, "OperationOutcome"),
        ("handling=lenient, return=representation", False, "representation"),
        ("handling=loose, return=all, respond-async", True, "representation"),
        ('Return="minimal"', True, "minimal"),
    ],
)
async def test_preferences(header: str | None, strict: bool, prefer: str) -> None:
    """http.html#ops, search.html#errors, RFC 7240: a preference that is not known is ignored."""
    stub = Stub()
    await stub.ask("GET", "/fhir/Patient/1", headers={"Prefer": header} if header else {})
    assert (stub.calls[0].strict, stub.calls[0].prefer) == (strict, prefer)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/fhir", ()),
        ("/fhir/", ()),
        ("/fhir/Patient", ("Patient",)),
        ("/fhir/Patient/", ("Patient",)),
        ("/fhir/Patient/1/_history/2", ("Patient", "1", "_history", "2")),
        ("/fhir/Patient/%24everything", ("Patient", "$everything")),
        ("/fhir/Patient/a%2Fb", ("Patient", "a/b")),
        ("/fhir/Patient/%C3%A9", ("Patient", "é")),
    ],
)
async def test_a_path_becomes_its_segments(path: str, segments: tuple[str, ...]) -> None:
    stub = Stub()
    await stub.ask("GET", path)
    assert stub.requests[0].path == segments


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/fhir/Patient/%zz", 400),
        (b"/fhir/Patient/%", 400),
        (b"/fhir/Patient/%00", 400),
        (b"/fhir/Patient/%FF", 400),
        (b"/fhir/Patient//1", 400),
        (b"/fhir/Patient?name=%zz", 400),
        (b"/fhir/Patient?name=%00", 400),
        (b"/fhir/Patient?name=%ff", 400),
        (b"/fhir/Patient?" + b"a=b&" * 3000, 400),
        (b"/fhir/Patient?name=" + b"a" * 20_000, 414),
        (b"/fhir/" + b"a" * 20_000, 414),
    ],
)
async def test_what_cannot_be_read_in_a_url_is_refused(target: bytes, status: int) -> None:
    stub = Stub()
    found, _, body = await stub.raw(target)
    assert found == status
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert stub.requests == []


@pytest.mark.parametrize("host", [b"", b"a b", b"evil.test/x", b'evil"', b"a:99999999"])
async def test_a_host_that_is_none_is_refused(host: bytes) -> None:
    assert (await Stub().raw(b"/fhir/Patient/1", headers=[(b"host", host)]))[0] == 400


async def test_a_client_that_leaves_is_owed_nothing() -> None:
    stub = Stub()
    assert (await stub.raw(b"/fhir/Patient", "POST", chunks=(b"{",)))[0] == 0
    assert stub.requests == []
    assert stub.app.wire.metrics.in_progress == 0


async def test_a_request_id_is_kept_or_made() -> None:
    stub = Stub()
    assert (await stub.ask("GET", "/fhir/Patient/1", headers={"X-Request-Id": "abc-1"})).headers[
        "x-request-id"
    ] == "abc-1"
    made = [
        (await stub.ask("GET", "/fhir/Patient/1", headers={"X-Request-Id": "a b\x7f"})).headers["x-request-id"]
        for _ in range(2)
    ]
    assert len(set(made)) == 2
    assert stub.calls[0].request_id == "abc-1"


async def test_an_error_becomes_its_status_and_outcome() -> None:
    async def gone(_: Request) -> Response:
        raise Gone("It was deleted.", headers={"ETag": 'W/"4"'})

    response = await Stub(gone).ask("GET", "/fhir/Patient/1")
    assert response.status_code == 410
    assert response.headers["etag"] == 'W/"4"'
    assert response.json()["issue"][0]["code"] == "deleted"


async def test_a_failure_says_nothing_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    async def failing(request: Request) -> Response:
        raise RuntimeError(f"cannot read {request.path} of Jeanne Durand")

    response = await Stub(failing).ask("GET", "/fhir/Patient/secret-id?name=Durand")
    captured = capsys.readouterr()
    assert response.status_code == 500
    assert response.json()["issue"] == [{"severity": "error", "code": "exception", "diagnostics": "The server failed."}]
    for text in (response.text, captured.out, captured.err):
        assert "Durand" not in text
        assert "secret-id" not in text


async def test_an_issue_in_xml_is_told_with_its_place() -> None:
    async def refusing(_: Request) -> Response:
        raise Malformed(issues=[Issue("error", "value", "No such day.", "Patient.birthDate")])

    body = b'<Patient xmlns="http://hl7.org/fhir">\n  <birthDate value="2023-02-30"/></Patient>'
    response = await Stub(refusing).ask("PUT", "/fhir/Patient/1", content=body, headers=XML)
    assert response.json()["issue"][0]["location"] == ["line 2, column 3"]


async def test_a_request_that_takes_too_long_is_ended() -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(30)
        return Response(200)

    response = await Stub(slow, request_seconds=0.02).ask("GET", "/fhir/Patient/1")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["issue"][0]["code"] == "timeout"


async def test_beyond_the_limit_of_requests_at_once_the_client_is_sent_away() -> None:
    waiting = asyncio.Event()

    async def held(_: Request) -> Response:
        await waiting.wait()
        return Response(200, BODY)

    stub = Stub(held, max_concurrent=2)
    first = [asyncio.create_task(stub.ask("GET", "/fhir/Patient/1")) for _ in range(2)]
    while len(stub.requests) < 2:  # noqa: ASYNC110 - the stub's list is the event
        await asyncio.sleep(0)
    third = await stub.ask("GET", "/fhir/Patient/1")
    waiting.set()
    assert (third.status_code, third.headers["retry-after"]) == (503, "1")
    assert [(await one).status_code for one in first] == [200, 200]
    assert stub.app.wire.metrics.in_progress == 0


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "CONNECT"])
async def test_a_method_fhir_does_not_have_is_refused(method: str) -> None:
    response = await Stub().ask(method, "/fhir/Patient/1")
    assert response.status_code == 405
    assert "PATCH" in response.headers["allow"]


async def test_options_on_the_base_asks_for_the_capabilities() -> None:
    stub = Stub()
    response = await stub.ask("OPTIONS", "/fhir")
    assert response.status_code == 200
    assert (stub.requests[0].method, stub.requests[0].path) == ("GET", ("metadata",))


async def test_options_elsewhere_names_the_methods() -> None:
    response = await Stub().ask("OPTIONS", "/fhir/Patient/1")
    assert response.status_code == 204
    assert "PUT" in response.headers["allow"]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), "https://app.example", None),
        (("https://app.example",), "https://app.example", "https://app.example"),
        (("https://app.example",), "https://evil.example", None),
        (("*",), "https://any.example", "*"),
    ],
)
@pytest.mark.parametrize("path", ["/fhir/Patient/1", "/health/live"])
async def test_pages_of_other_origins_may_call_when_the_settings_say_so(
    origins: tuple[str, ...], origin: str, allowed: str | None, path: str
) -> None:
    stub = Stub(cors_origins=origins)
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"}
    preflight = await stub.ask("OPTIONS", path, headers=asked)
    assert preflight.headers.get("access-control-allow-origin") == allowed
    assert ("PUT" in preflight.headers.get("access-control-allow-methods", "")) == (allowed is not None)
    response = await stub.ask("GET", path, headers={"Origin": origin})
    assert response.headers.get("access-control-allow-origin") == allowed
    assert ("ETag" in response.headers.get("access-control-expose-headers", "")) == (allowed is not None)


async def test_what_is_answered_is_counted_without_naming_anyone() -> None:
    stub = Stub()
    await stub.ask("GET", "/fhir/Patient/secret-id")
    await stub.ask("GET", "/fhir/Patient/missing")
    await stub.ask("GET", "/fhir/Patient?name=durand")
    await stub.ask("GET", "/fhir/Nonsense/x")
    text = (await stub.ask("GET", "/metrics")).text
    assert 'fhir_requests_total{interaction="read",status="200",type="Patient"} 1.0' in text
    assert 'fhir_requests_total{interaction="read",status="404",type="Patient"} 1.0' in text
    assert 'fhir_requests_total{interaction="search-type",status="200",type="Patient"} 1.0' in text
    assert 'fhir_request_seconds_count{interaction="read"} 2.0' in text
    assert "fhir_requests_in_progress 0.0" in text
    assert "secret-id" not in text
    assert "Nonsense" not in text


async def test_the_log_holds_a_template_of_the_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_requests", logs._Requests())
    logs.configure(Settings())
    await Stub().ask("GET", "/fhir/Patient/secret-id/$everything?start=1970-01-01")
    logs._requests.flush()
    out = "".join(capsys.readouterr())
    assert "Patient/{id}/$everything" in out
    assert "secret-id" not in out
    assert "1970" not in out


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("POST", "/health/live", 405, "not-supported"),
        ("GET", "/fhirs", 404, "not-found"),
    ],
)
async def test_addresses_outside_fhir_answer_with_an_outcome_too(
    method: str, path: str, status: int, code: str
) -> None:
    response = await Stub().ask(method, path)
    assert response.status_code == status
    assert response.json()["issue"][0]["code"] == code
    assert response.headers["x-request-id"]


async def test_probes_tell_a_server_that_stops_from_one_that_lives() -> None:
    stub = Stub()
    assert (await stub.ask("GET", "/health/ready")).json() == {"status": "ok", "detail": None}
    stub.app.readiness.stopping = True
    ready = await stub.ask("GET", "/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
    assert (await stub.ask("GET", "/health/live")).status_code == 200


def test_a_line_goes_to_standard_error_as_it_is_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever closed the one of the first line (a supervisor, a test) makes no later request fail."""
    logs.configure(Settings())
    for _ in range(2):
        monkeypatch.setattr("sys.stderr", said := io.StringIO())
        logs.logger("part").warning("something")
        assert "something" in said.getvalue()
        said.close()
