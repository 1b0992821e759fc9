"""https://www.rfc-editor.org/rfc/rfc6902, https://www.rfc-editor.org/rfc/rfc6901, https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid, Malformed
from fhir_server.interactions.patching.json_patch import pointer, read
from tests.server.calls import Server

PATCH = "application/json-patch+json"


def patched(document: Any, *operations: Any, of_resource: bool = False) -> Any:
    return read(json.dumps(list(operations)).encode(), of_resource=of_resource)(document)


#: RFC 6902 appendix A, by its numbers: document, operations, result
@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        (
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
            {"baz": "qux", "foo": ["a", 2, "c"]},
        ),
        (
            {"foo": "bar"},
            [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"foo": 1}, [{"op": "add", "path": "", "value": {"bar": 2}}], {"bar": 2}),
        ({"foo": 1}, [{"op": "replace", "path": "", "value": {"bar": 2}}], {"bar": 2}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"foo": None}, [{"op": "test", "path": "/foo", "value": None}], {"foo": None}),
        ({"foo": 1}, [{"op": "test", "path": "/foo", "value": 1.0}], {"foo": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": {"1": 0}}, [{"op": "replace", "path": "/a/1", "value": 2}], {"a": {"1": 2}}),
    ],
)
def test_an_operation_does_what_the_rfc_says(document: Any, operations: list[Any], result: Any) -> None:
    assert patched(document, *operations) == result


def _remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"a": [1], "b": 2}, [_remove("/a/0")], {"b": 2}),
        ({"a": [1, 2], "b": 2}, [_remove("/a/1"), _remove("/a/0")], {"b": 2}),
        ({"a": {"c": 1}, "b": 2}, [_remove("/a/c")], {"b": 2}),
        # What then has nothing in it goes too.
        ({"a": [{"c": [1]}], "b": 2}, [_remove("/a/0/c/0")], {"b": 2}),
        ({"a": [{"c": [1]}, {"c": [2], "d": 3}]}, [_remove("/a/0/c/0"), _remove("/a/1/c/0")], {"a": [{"d": 3}]}),
        ({"a": [{"c": 1}, {"c": 2}], "b": 2}, [_remove("/a/0/c"), _remove("/a/1/c")], {"b": 2}),
        ({"a": [1], "b": [2]}, [{"op": "move", "from": "/a/0", "path": "/b/-"}], {"b": [2, 1]}),
        # Until the last operation it may be filled again.
        ({"a": [1]}, [_remove("/a/0"), {"op": "add", "path": "/a/-", "value": 2}], {"a": [2]}),
        # What nothing was taken out of stays as it came, for validation to refuse.
        ({"a": [1], "b": [], "c": 1}, [_remove("/a/0")], {"b": [], "c": 1}),
        ({"a": 1}, [_remove("/a")], {}),
    ],
)
def test_what_the_last_member_is_taken_out_of_goes_with_it(document: Any, operations: list[Any], result: Any) -> None:
    """https://hl7.org/fhir/R4/json.html: no array and no object is empty; in other JSON (RFC 6902) they may be."""
    assert patched(document, *operations, of_resource=True) == result


def test_json_that_is_no_resource_may_be_left_empty() -> None:
    assert patched({"a": [1]}, _remove("/a/0")) == {"a": []}


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"baz": "qux"}, {"op": "test", "path": "/baz", "value": "bar"}),
        ({"foo": "bar"}, {"op": "add", "path": "/baz/bat", "value": "qux"}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": "10"}),
        ({"foo": 1}, {"op": "test", "path": "/foo", "value": True}),
        ({"foo": []}, {"op": "add", "path": "/foo/1", "value": 1}),
        ({"foo": [1]}, {"op": "remove", "path": "/foo/1"}),
        ({"foo": [1]}, {"op": "remove", "path": "/foo/-"}),
        ({"foo": [1, 2]}, {"op": "remove", "path": "/foo/01"}),
        ({"foo": [1]}, {"op": "remove", "path": "/foo/1e0"}),
        ({"foo": [1]}, {"op": "add", "path": "/foo/bar", "value": 1}),
        ({"foo": "x"}, {"op": "add", "path": "/foo/0", "value": 1}),
        ({"foo": 1}, {"op": "remove", "path": "/bar"}),
        ({"foo": 1}, {"op": "replace", "path": "/bar", "value": 1}),
        ({"foo": {"bar": 1}}, {"op": "move", "from": "/foo", "path": "/foo/bar"}),
        ({"foo": 1}, {"op": "move", "from": "/bar", "path": "/x"}),
        ({"foo": 1}, {"op": "copy", "from": "/bar", "path": "/x"}),
        ({"foo": 1}, {"op": "remove", "path": ""}),
    ],
)
def test_an_operation_that_does_not_apply_is_refused(document: Any, operation: Any) -> None:
    with pytest.raises(Invalid):
        patched(document, operation)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"x"',
        b"[1]",
        b"[{}]",
        b'[{"op":"spam","path":"/a"}]',
        b'[{"op":["add"],"path":"/a"}]',
        b'[{"op":"add","path":"/a"}]',
        b'[{"op":"add","value":1}]',
        b'[{"op":"add","path":"a","value":1}]',
        b'[{"op":"add","path":"/a~2","value":1}]',
        b'[{"op":"add","path":3,"value":1}]',
        b'[{"op":"move","path":"/a"}]',
        b'[{"op":"copy","path":"/a","from":"b"}]',
        b'[]},{"x":1',
        b'[],"more":[]',
        b"[" + b",".join([b'{"op":"remove","path":"/a"}'] * 1001) + b"]",
    ],
)
def test_what_is_no_patch_is_refused_before_anything_is_read(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_pointers_are_read_as_rfc_6901_writes_them() -> None:
    assert pointer("") == ()
    assert pointer("/a~1b/m~0n/") == ("a/b", "m~n", "")
    assert pointer("/~01") == ("~1",)


def test_copies_cannot_grow_without_end() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(Invalid):
        patched({"a": list(range(100))}, *doubling)


def test_decimals_keep_their_digits() -> None:
    assert read(b'[{"op":"add","path":"/a","value":1.10}]')({})["a"].as_tuple() == Decimal("1.10").as_tuple()


async def a_patient(server: Server) -> str:
    made = await server.post("Patient", {"resourceType": "Patient", "active": True, "name": [{"family": "A"}]})
    return made.id


async def test_a_patch_makes_a_version_that_history_shows_as_a_patch(server: Server) -> None:
    id = await a_patient(server)
    body = [{"op": "replace", "path": "/name/0/family", "value": "B"}]
    answer = await server.call("PATCH", f"Patient/{id}", body, content_type=PATCH)
    assert (answer.status, answer.version, answer.json["name"]) == (200, 2, [{"family": "B"}])
    history = await server.get(f"Patient/{id}/_history")
    assert [entry["request"]["method"] for entry in history.json["entry"]] == ["PATCH", "POST"]


#: operation on a stored patient → status
@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/active", "value": False}, 422),
        ({"op": "replace", "path": "/id", "value": "other"}, 422),
        ({"op": "remove", "path": "/id"}, 422),
        ({"op": "replace", "path": "/resourceType", "value": "Person"}, 422),
        ({"op": "replace", "path": "", "value": 5}, 422),
        ({"op": "add", "path": "/gender", "value": "x"}, 422),
        ({"op": "remove", "path": "/nothing"}, 422),
        ({"op": "nonsense", "path": "/active"}, 400),
    ],
)
async def test_a_patch_that_makes_nothing_valid_changes_nothing(
    server: Server, operation: dict[str, Any], status: int
) -> None:
    id = await a_patient(server)
    assert (await server.call("PATCH", f"Patient/{id}", [operation], content_type=PATCH)).status == status
    assert (await server.get(f"Patient/{id}")).version == 1


async def test_a_patch_of_what_is_not_there_or_is_no_patch(server: Server) -> None:
    id = await a_patient(server)
    body = [{"op": "replace", "path": "/active", "value": False}]
    assert (await server.call("PATCH", "Patient/none", body, content_type=PATCH)).status == 404
    assert (await server.call("PATCH", f"Patient/{id}", body, content_type="text/plain")).status == 415
    assert (await server.call("PATCH", f"Patient/{id}", body, content_type=PATCH, if_match='W/"2"')).status == 412
    assert (await server.call("PATCH", f"Patient/{id}", body, content_type=PATCH, if_match='W/"1"')).status == 200
    await server.delete(f"Patient/{id}")
    assert (await server.call("PATCH", f"Patient/{id}", body, content_type=PATCH)).status == 410


async def test_a_conditional_patch_depends_on_how_many_match(server: Server) -> None:
    body = [{"op": "replace", "path": "/active", "value": False}]
    assert (await server.call("PATCH", "Patient?active=true", body, content_type=PATCH)).status == 404
    await a_patient(server)
    assert (await server.call("PATCH", "Patient?active=true", body, content_type=PATCH)).json["active"] is False
    await a_patient(server)
    await a_patient(server)
    assert (await server.call("PATCH", "Patient?active=true", body, content_type=PATCH)).status == 412
    assert (await server.call("PATCH", "Patient", body, content_type=PATCH)).status == 412


async def test_patches_at_once_are_all_kept(server: Server) -> None:
    id = await a_patient(server)
    bodies = [[{"op": "add", "path": "/name/-", "value": {"given": [f"N{n}"]}}] for n in range(20)]
    answers = await asyncio.gather(
        *(server.call("PATCH", f"Patient/{id}", body, content_type=PATCH) for body in bodies)
    )
    assert {answer.status for answer in answers} == {200}
    assert len((await server.get(f"Patient/{id}")).json["name"]) == 21
