"""An exchange that is ended stays so: at the same instant, and in the same transaction; domain file §2.7."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.app import House
from tests.space.messages.exchange import DOCTOR, A, ask, codes, message, sent
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_of_many_ends_at_once_one_is_sent_and_no_answer_after_it(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    url, answer = f"Communication/{first['id']}/$end", message(A, DOCTOR, answers=first)
    calls = [("doctor", url, None), ("patient", "Communication", answer)] * 8
    answers = await asyncio.gather(*(ask(house, who, "POST", to, tree) for who, to, tree in calls))
    ends, replies = answers[::2], answers[1::2]
    assert sorted(one.status for one in ends) == [201, *[422] * 7], [one.json for one in ends]
    assert all(one.status == 201 or codes(one) == {"message-ended"} for one in replies)
    found = await ask(house, "doctor", "GET", f"Communication?thread={first['id']}&_sort=_lastUpdated&_count=50")
    written = [entry["resource"] for entry in found.json["entry"]]
    assert len(written) == 2 + sum(one.status == 201 for one in replies)
    [end] = [one["meta"]["lastUpdated"] for one in written if "extension" in one]
    assert all(one["meta"]["lastUpdated"] <= end for one in written)


def lot(*trees: Tree) -> Tree:
    request = {"method": "POST", "url": "Communication"}
    entries = [{"resource": tree, "request": request} for tree in trees]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


#: What a professional sends in one transaction, of the exchange that goes on → how it is answered.
LOTS = {
    "two answers": ((False, False), 200),
    "an end": ((True,), 200),
    "an end and an answer": ((True, False), 422),
    "an answer and an end": ((False, True), 422),
    "two ends": ((True, True), 422),
}


@pytest.mark.parametrize("case", LOTS)
async def test_a_transaction_writes_nothing_beside_an_end(house: House, case: str) -> None:
    ends, status = LOTS[case]
    first = await sent(house, "doctor", message(DOCTOR))
    trees = [message(DOCTOR, answers=first, ends=one) for one in ends]
    answer = await ask(house, "doctor", "POST", "", lot(*trees))
    assert answer.status == status, answer.json
    if status == 422:
        assert codes(answer) == {"message-ended"}
    found = await ask(house, "doctor", "GET", f"Communication?thread={first['id']}&_total=accurate")
    assert found.json["total"] == 1 + (len(ends) if status == 200 else 0)


async def test_a_draft_is_not_sent_into_what_was_ended(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    draft = await sent(house, "patient", message(A, DOCTOR, answers=first, status="preparation"))
    url = f"Communication/{draft['id']}"
    assert (await ask(house, "doctor", "POST", f"Communication/{first['id']}/$end")).status == 201
    answer = await ask(house, "patient", "PUT", url, {**draft, "status": "completed"})
    assert (answer.status, codes(answer)) == (422, {"message-ended"})
    assert (await ask(house, "patient", "GET", url)).json["status"] == "preparation"
