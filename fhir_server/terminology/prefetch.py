"""What validation wants to know of codes that are not here: asked beforehand, since a judgement itself cannot wait.

A resource is judged once to hear what it asks, the other server is asked all of it at once, and then it is judged. What
could not be asked, since that server is down, is said beside the verdict and refuses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import monotonic

from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.terminology import remote_requests
from fhir_server.terminology.canonicals import Catalogue
from fhir_server.terminology.external import External

#: (value set, system, code)
Question = tuple[str, str, str]
#: Questions of one request; what is beyond is not judged.
MOST = 200
#: Answers in memory, how long they are good for there, and how long it is believed to be down, in seconds.
REMEMBERED, GOOD_SECONDS, DOWN_SECONDS = 50_000, 600, 5


class Outside:
    """Remembers what another server said of codes."""

    def __init__(self, external: External, catalogue: Catalogue) -> None:
        """Nothing was asked yet."""
        self.external = external
        self._catalogue = catalogue
        self._known: dict[Question, tuple[bool | None, float]] = {}
        self._down: dict[Question, float] = {}
        self._untold: set[str] = set()

    def answer(self, question: Question) -> tuple[bool | None, bool]:
        """What is remembered, and whether it was asked at all."""
        answer, until = self._known.get(question, (None, 0.0))
        if until > monotonic():
            return answer, True
        if self._down.get(question, 0.0) > monotonic():
            self._untold.add(question[0])
            return None, True
        return None, False

    def untold(self) -> list[str]:
        """The value sets that could not be asked about since this was last read."""
        found, self._untold = sorted(self._untold), set()
        return found

    async def learn(self, questions: Iterable[Question]) -> None:
        """Ask all of `questions` at once; what has no answer in time counts as not answered."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        wanted = sorted(questions)
        self._put_off(wanted[MOST:])
        tasks = {asyncio.create_task(self._ask(one)): one for one in wanted[:MOST]}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self.external.patience_seconds)
        for task in late:
            task.cancel()
        self._put_off(tasks[task] for task in late)

    def forget(self) -> None:
        """What was said may not hold any more: the value sets here have changed."""
        self._known.clear()

    def _put_off(self, questions: Iterable[Question]) -> None:
        if len(self._down) > REMEMBERED:
            self._down.clear()
        self._down.update(dict.fromkeys(questions, monotonic() + DOWN_SECONDS))

    async def _ask(self, question: Question) -> None:
        url, system, code = question
        rows = [*remote_requests.subject(self._catalogue, url), remote_requests.coding("coding", system, code)]
        answer: bool | None
        try:
            answer = remote_requests.verdict(await self.external.ask("ValueSet/$validate-code", rows))
        except Unavailable:
            self._put_off([question])
            return
        except FhirError:
            answer = None
        self._known[question] = answer, monotonic() + min(GOOD_SECONDS, self.external.keep_seconds)
