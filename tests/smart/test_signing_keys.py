"""The keys id_tokens are signed with are one store's, whichever node signs or publishes: RFC 7517 §5, RFC 7515 §4.1.4."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import RSAKey

from fhir_server.smart.lifetimes import RETIRED_KEY
from fhir_server.smart.tokens import signing_keys
from fhir_server.smart.tokens.signing_keys import ALGORITHM, BITS, Keys, key_file, signed
from fhir_server.store.protocol import Records
from tests.engines import an_engine


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


def node(records: Records, folder: Path, *left: float | None) -> tuple[Keys, list[str]]:
    """A node of the store; in its folder, what an earlier server left: when each key was retired. Their `kid`s."""
    file = key_file(folder)
    made = [RSAKey.generate_key(2048) for _ in left]
    kept = [
        {"jwk": {**key.as_dict(private=True), "kid": key.thumbprint()}, "retired": retired}
        for key, retired in zip(made, left, strict=True)
    ]
    if left:
        file.parent.mkdir(parents=True)
        file.write_bytes(msgspec.json.encode(kept))
    return Keys(records, file), [key.thumbprint() for key in made]


async def published(keys: Keys) -> list[str]:
    return [key["kid"] for key in (await keys.jwks())["keys"]]


async def test_of_several_nodes_that_start_together_one_makes_the_key(records: Records, tmp_path: Path) -> None:
    nodes = [node(records, tmp_path / str(n))[0] for n in range(3)]
    signing = await asyncio.gather(*[one.signing() for one in nodes])
    assert len({key.kid for key in signing}) == 1
    assert await published(nodes[0]) == [signing[0].kid]


async def test_what_an_earlier_server_left_in_its_folder_goes_on_to_sign(records: Records, tmp_path: Path) -> None:
    now = time.time()
    keys, [current, lately, _] = node(records, tmp_path, None, now - 5, now - RETIRED_KEY - 5)
    assert (await keys.signing()).kid == current
    assert await published(keys) == [current, lately]
    assert not key_file(tmp_path).exists()
    assert await published(node(records, tmp_path / "other")[0]) == [current, lately]


async def test_what_another_node_signed_before_can_still_be_checked(records: Records, tmp_path: Path) -> None:
    first, [current] = node(records, tmp_path / "first", None)
    second, [other] = node(records, tmp_path / "second", None)
    assert (await first.signing()).kid == current
    assert (await second.signing()).kid == current
    assert await published(first) == await published(second) == [current, other]
    assert not key_file(tmp_path / "second").exists()


async def test_of_two_who_rotate_together_none_undoes_the_other(records: Records, tmp_path: Path) -> None:
    one, other = node(records, tmp_path / "1")[0], node(records, tmp_path / "2")[0]
    before = (await one.signing()).kid
    made = await asyncio.gather(one.rotate(), other.rotate())
    known = await published(one)
    assert known[0] in made and set(known) == {before, *made}
    assert (await one.signing()).kid in made


async def test_each_rotation_makes_a_key_of_its_own_and_its_signatures_alone_are_good(
    records: Records, tmp_path: Path
) -> None:
    """RFC 7518 §3.3. The tests' servers share a few keys (`tests/conftest.py`): one store never has the same one twice."""
    keys, _ = node(records, tmp_path)
    tokens = {(await keys.signing()).kid: signed({"sub": "0"}, await keys.signing())}
    for turn in "123":
        made = await keys.rotate()
        assert made not in tokens
        assert (await keys.signing()).kid == made == (await published(keys))[0]
        tokens[made] = signed({"sub": turn}, await keys.signing())
    public = {key["kid"]: RSAKey.import_key(key) for key in (await keys.jwks())["keys"]}
    assert public.keys() == tokens.keys()
    assert [key.raw_value.key_size for key in public.values()] == [BITS] * 4
    assert len({key.thumbprint() for key in public.values()}) == 4
    for kid, token in tokens.items():
        for other, key in public.items():
            if other == kid:
                jwt.decode(token, key, algorithms=[ALGORITHM])
            else:
                with pytest.raises(BadSignatureError):
                    jwt.decode(token, key, algorithms=[ALGORITHM])


@pytest.mark.parametrize(("seconds", "follows"), [(60.0, False), (-1.0, True)], ids=["within a minute", "after it"])
async def test_another_node_publishes_a_new_key_at_once_and_signs_with_it_soon(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, follows: bool
) -> None:
    monkeypatch.setattr(signing_keys, "KNOWN", seconds)
    one, other = node(records, tmp_path / "1")[0], node(records, tmp_path / "2")[0]
    before = (await other.signing()).kid
    after = await one.rotate()
    assert await published(other) == [after, before]
    assert (await other.signing()).kid == (after if follows else before)
