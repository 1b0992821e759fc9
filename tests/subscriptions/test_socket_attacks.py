"""What strangers try with websockets: others' pings, others' tokens, others' pages, and the server's patience.

RFC 6455 §4.2, §5, §7.4.1, §10; RFC 6750; R4 subscription.html, "Safety and Security"; OWASP ASVS 13 (websockets).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from fhir_server.http.connection_limits import Door, Limits
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.store.protocol import Keep
from fhir_server.subscriptions.sockets import conversation, places
from tests.server.closed import BASE, Space
from tests.server.listening import answered
from tests.subscriptions.sockets import (
    HANDSHAKE,
    binding_token,
    by_socket,
    closed,
    heard,
    heard_errors,
    on_wire,
    opened,
    topic_by_socket,
)
from tests.subscriptions.world import an_observation, attended, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
OTHER = "system/Subscription.cruds system/Observation.rs"
NONE = (1008, "There is no such subscription by websocket, or it is not yours.")
USED = (1008, "The token is none, or was used.")
ENDED = (1008, "The authorization has ended.")
UNKNOWN = (1003, "Messages are: bind [id], and bind-with-token [token].")
PERSON = ("patient/Subscription.cruds", "patient/Observation.rs")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    origins = ("https://listed.example",)
    async with attended(tmp_path_factory.mktemp("socket-attacks"), cors_origins=origins) as found:
        for id in ("a", "b"):
            await found.put({"resourceType": "Patient", "id": id})
        await found.backend("lab")
        await found.backend("app")
        await found.backend("other", scopes=OTHER)
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(space: Space) -> AsyncIterator[int]:
    async with on_wire(space.house) as found:
        yield found


async def refused(port: int, token: str = "", **headers: str) -> tuple[int, str]:
    """Status and issue code of a handshake that is not taken."""
    with pytest.raises(InvalidStatus) as failed:
        async with opened(port, token, **headers):
            pass
    answer = failed.value.response
    assert answer.headers["content-type"].startswith("application/fhir+json"), answer
    return answer.status_code, msgspec.json.decode(answer.body or b"")["issue"][0]["code"]


async def a_person(space: Space, patient: str, scopes: tuple[str, ...] = PERSON) -> tuple[str, str]:
    """The token of an app of a patient's, and the authorization that it is of."""
    accounts, tokens = space.house.authorization.accounts, space.house.authorization.tokens
    account = Account(f"account-{patient}", patient, f"Personne {patient}", f"Patient/{patient}")
    if await accounts.get(account.id) is None:
        await accounts.add(account)
    family = Family(f"family-{patient}-{os.urandom(6).hex()}", "app", account.id, BASE, scopes, patient)
    await space.house.engine.records.apply([Keep("family", family.id, msgspec.json.encode(family))])
    return await tokens.issue("app", BASE, scopes, family.id), family.id


async def test_who_may_not_open_one(space: Space, port: int) -> None:
    token = await space.backend_token()
    assert await refused(port, "nonsense") == (401, "login")
    assert await refused(port, **{"Authorization": "Basic bGFiOmxhYg=="}) == (401, "login")
    assert await refused(port, token, Origin="https://evil.example") == (403, "forbidden")
    assert await refused(port, token, Origin="null") == (403, "forbidden")
    for origin in ("https://listed.example", "http://server.test"):
        async with opened(port, token, Origin=origin):
            pass
    # In a URL a token is in every log on the way: it is not looked at there.
    async with opened(port) as socket:
        await socket.send("bind any")
        assert (await closed(socket))[0] == 1008


async def test_who_is_refused_makes_no_errors_in_the_log(
    space: Space, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers are refused all day: what is logged as an error is the server's own."""
    with heard_errors(caplog):
        assert await refused(port, "nonsense") == (401, "login")
        assert await refused(port, Origin="https://evil.example") == (403, "forbidden")
        await asyncio.sleep(0.05)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_nobody_listens_to_anothers(space: Space, port: int) -> None:
    """By R4's own bind neither: hidden, absent, of another channel and off are answered alike."""
    lab, other = await space.backend_token(), await space.backend_token(OTHER, "other")
    mine = await subscribed(space, lab, by_socket("Observation?code=attack"))
    off = (await space.fhir("POST", "Subscription", other, json=by_socket() | {"status": "off"})).json()["id"]
    theirs = await subscribed(space, other, by_socket("Observation?code=attack"))
    for who, id in ((other, mine), (other, "absent"), (other, off), (lab, theirs), (other, "x" * 65), (other, "../x")):
        async with opened(port, who) as socket:
            await socket.send(f"bind {id}")
            assert await closed(socket) == NONE, id
    async with opened(port) as socket:
        await socket.send(f"bind {mine}")
        assert await closed(socket) == (1008, "This socket has no token: bind-with-token has one.")


async def test_a_person_with_the_same_app_does_not_listen_to_another(space: Space, port: int) -> None:
    lab = await space.backend_token()
    (alice, _), (bob, _) = await a_person(space, "a"), await a_person(space, "b")
    id = await subscribed(space, alice, by_socket("Observation?code=person"))
    async with opened(port, bob) as socket:
        await socket.send(f"bind {id}")
        assert await closed(socket) == NONE
    # What is about another patient is no event of hers.
    async with opened(port, alice) as socket:
        await socket.send(f"bind {id}")
        assert await heard(socket) == f"bound {id}"
        for who in ("b", "a", "b"):
            await space.fhir("POST", "Observation", lab, json=an_observation("person", f"Patient/{who}"))
        assert await heard(socket) == f"ping {id}"
        with pytest.raises(TimeoutError):
            await heard(socket, 1.0)


async def test_a_token_of_less_listens_to_no_more(space: Space, port: int) -> None:
    """The same app of the same person with fewer scopes: what it may not search it is not told of."""
    alice, _ = await a_person(space, "a")
    id = await subscribed(space, alice, topic_by_socket("id-only", "Observation?code=less"))
    less, _ = await a_person(space, "a", ("patient/Subscription.rs",))
    async with opened(port, less) as socket:
        await socket.send(f"bind {id}")
        assert await closed(socket) == NONE


async def test_a_binding_token_is_used_once_and_kept_by_its_digest(space: Space, port: int) -> None:
    lab = await space.backend_token()
    id = await subscribed(space, lab, by_socket("Observation?code=once"))
    token = (await binding_token(space, lab, f"Subscription/{id}"))["token"]
    kept = await space.house.engine.records.list("subscription-binding")
    assert kept and all(token not in key and token.encode() not in value for key, value in kept)
    async with opened(port) as first, opened(port) as second:
        await asyncio.gather(*(socket.send(f"bind-with-token {token}") for socket in (first, second)))
        said = await asyncio.gather(heard(first), closed(second), return_exceptions=True)
        if said[0] != f"bound {id}":
            # The other one was quicker: of two, one has it.
            said = [await heard(second), await closed(first)]
        assert said == [f"bound {id}", USED]
    for nonsense in ("", "x", "x" * 600, token):
        async with opened(port) as socket:
            await socket.send(f"bind-with-token {nonsense}")
            assert await closed(socket) == USED


async def test_with_the_token_all_of_it_ends(space: Space, port: int) -> None:
    """Revoked (RFC 7009), its authorization ended, its client suspended: by bind, and by a token made with it."""
    await space.backend("ending", scopes=OTHER)
    tokens = space.house.authorization.tokens
    for how in ("revoked", "family", "suspended"):
        token, family = (
            await a_person(space, "a") if how == "family" else (await space.backend_token(OTHER, "ending"), "")
        )
        id = await subscribed(space, token, by_socket(f"Observation?code=end-{how}"))
        made = (await binding_token(space, token, f"Subscription/{id}"))["token"]
        later = (await binding_token(space, token, f"Subscription/{id}"))["token"]
        async with opened(port, token) as first, opened(port) as second:
            await first.send(f"bind {id}")
            await second.send(f"bind-with-token {made}")
            assert [await heard(one) for one in (first, second)] == [f"bound {id}"] * 2
            if how == "revoked":
                await tokens.revoke_access(token)
            elif how == "family":
                await tokens.end(family)
            else:
                await space.clients.set_status("ending", "suspended")
            said = {await closed(one, 5) for one in (first, second)}
            # Whoever suspends a client ends its Subscription too, as soon as it is looked at.
            assert said <= {ENDED, (1008, "The subscription has ended.")}, how
        async with opened(port) as socket:
            await socket.send(f"bind-with-token {later}")
            assert (await closed(socket)) in (ENDED, NONE), how
        assert await refused(port, token) == (401, "login")


#: What is sent after the handshake → how it is closed.
SENT: dict[str, tuple[Any, tuple[int, str]]] = {
    "no word": ("nonsense", UNKNOWN),
    "nothing": ("", UNKNOWN),
    "an unfinished word": ("bin", UNKNOWN),
    "JSON": ('{"type": "bind"}', UNKNOWN),
    "another case": ("BIND x", UNKNOWN),
    "bytes": (b"bind x", (1003, "Messages are text.")),
    "bind of nothing": ("bind", NONE),
}


@pytest.mark.parametrize("what", SENT)
async def test_what_is_not_understood_ends_it(space: Space, port: int, what: str) -> None:
    sent, end = SENT[what]
    async with opened(port, await space.backend_token()) as socket:
        await socket.send(sent)
        assert await closed(socket) == end


async def test_what_is_too_long_or_too_much_ends_it(space: Space, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MOST_HEARD", 3)
    token = await space.backend_token()
    id = await subscribed(space, token, by_socket("Observation?code=much"))
    async with opened(port, token) as socket:
        await socket.send("x" * 5_000)
        assert (await closed(socket))[0] == 1009
    async with opened(port, token) as socket:
        for _ in range(4):
            await socket.send(f"bind {id}")
        assert await closed(socket) == (1008, "Too many messages.")
    # Fragments of nothing, and pings without end.
    for endless in ("fragments", "pings"):
        async with opened(port, token) as socket:
            # Of text, or a continuation that is not the last, or a ping: masked, and empty.
            first, rest = {"fragments": (b"\x01", b"\x00"), "pings": (b"\x89", b"\x89")}[endless]
            socket.transport.write(b"".join(one + b"\x80\0\0\0\0" for one in [first, *[rest] * 200]))
            await asyncio.wait_for(socket.wait_closed(), 10)


async def test_what_is_bound_to_nothing_ends(space: Space, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "UNBOUND_SECONDS", 0.2)
    async with opened(port) as socket:
        assert await closed(socket) == (1008, "Nothing was bound.")


async def test_how_many_there_may_be(space: Space, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one caller, of one address that has not said whose it is, and in all; what ends makes room."""
    hub = space.house.services.service("subscriptions")
    await until(lambda: _none(hub))
    monkeypatch.setattr(places, "MOST_EACH", 2)
    monkeypatch.setattr(places, "MOST_UNSAID", 3)
    lab, other = await space.backend_token(), await space.backend_token(OTHER, "other")
    id = await subscribed(space, lab, by_socket("Observation?code=room"))
    tokens = [(await binding_token(space, lab, f"Subscription/{id}"))["token"] for _ in range(2)]
    async with opened(port, lab):
        async with opened(port, other), opened(port) as nobody, opened(port) as another, opened(port):
            assert await refused(port) == (429, "throttled")
            # Whose it is then is counted then.
            await nobody.send(f"bind-with-token {tokens[0]}")
            assert await heard(nobody) == f"bound {id}"
            await another.send(f"bind-with-token {tokens[1]}")
            assert await closed(another) == (1008, "Too many sockets.")
            assert await refused(port, lab) == (429, "throttled")
            async with opened(port), opened(port):
                assert await refused(port) == (429, "throttled")
        await until(lambda: _has(hub, 1))
        monkeypatch.setattr(hub.places, "_most", 1)
        assert await refused(port, other) == (429, "throttled")
    await until(lambda: _none(hub))


async def _none(hub: Any) -> bool:
    return await _has(hub, 0)


async def _has(hub: Any, count: int) -> bool:
    return bool(hub.places.count == count and (count or (not hub.places._each and not hub._listening)))


async def test_its_place_among_connections_is_counted_and_given_back(space: Space) -> None:
    door = Door(Limits(per_address=1))
    token = await space.backend_token()
    async with on_wire(space.house, door) as port:
        async with opened(port, token):
            assert door.count == 1
            assert await answered(port, b"") == (429, "throttled")
        await until(lambda: _left(door))
        async with opened(port, token):
            assert door.count == 1
        await until(lambda: _left(door))


async def _left(door: Door) -> bool:
    return door.count == 0


async def test_who_has_gone_without_a_word_is_noticed(space: Space) -> None:
    """RFC 6455 §5.5.2: a ping that is not answered ends it."""
    door = Door(Limits())
    token = await space.backend_token()
    async with on_wire(space.house, door, ws_ping_interval=0.2, ws_ping_timeout=0.2) as port:
        head = (
            f"GET /websocket HTTP/1.1\r\n{HANDSHAKE}Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        assert (await reader.readline()).split()[1] == b"101"
        await until(lambda: _left(door))
        writer.close()
