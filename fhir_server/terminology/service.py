"""The terminology as the rest of the server asks it: searches, validation and operations.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from fhir_server.changes.follower import Follower
from fhir_server.fhir.outcome import FhirError
from fhir_server.store.concepts import Concepts
from fhir_server.store.protocol import Store
from fhir_server.terminology import remote_requests, shipped
from fhir_server.terminology.canonicals import Catalogue, System, Unexpandable, Unknown, ValueSet, required, unknown
from fhir_server.terminology.code_status import LONGEST, Key, Known, known, there
from fhir_server.terminology.composing import Composer, Expansion, Pins
from fhir_server.terminology.designations import spoken
from fhir_server.terminology.external import External, Place
from fhir_server.terminology.library import Library
from fhir_server.terminology.prefetch import Outside, Question

Coding = tuple[str, str]
#: More codes than any query can hold; one more tells the asker that there are too many.
_MANY = 20_000
_REMEMBERED = 50_000

#: Direction of subsumption → the filter of a value set that says so.
_FILTERS = {"below": "is-a", "above": "generalizes"}

T = TypeVar("T")
#: Questions wait for each other alone: neither for passwords nor for packing.
_threads = ThreadPoolExecutor(2, "terminology")


class Terminology:
    """What codes mean.

    Attributes:
        library: keeps it in step with the resources.
        catalogue: finds code systems and value sets.
        composer: reads value sets.
        outside: what another server says of codes that are not here; None where there is no other.
    """

    def __init__(
        self, concepts: Callable[[], Concepts], store: Store, follower: Follower, place: Place | None = None
    ) -> None:
        """Nothing is opened or read before the first question.

        Args:
            concepts: opens the store of concepts.
            store: where the resources are.
            follower: says which of them change.
            place: of another server that is asked for what is not here.
        """
        self.library = Library(concepts, store, follower)
        self.catalogue = Catalogue(self.library)
        self.composer = Composer(self.catalogue)
        self.outside = Outside(External(place, self.library), self.catalogue) if place else None
        self._answers: dict[tuple[str, str, str], bool | None] = {}
        self._generation = -1
        self._open: set[Question] = set()
        self._codes: dict[tuple[str, str, str], Known | None] = {}
        self._right: set[Key] = set()
        self._codes_of = -1

    @property
    def concepts(self) -> Concepts:
        """Where the concepts are."""
        return self.library.concepts

    async def refresh(self) -> None:
        """Take over what was written, by this worker or as far as it was heard of.

        To be awaited before the synchronous questions that must know of it.
        """
        await self.library.refresh()

    async def members(self, url: str) -> Collection[Coding]:
        """The codings of a value set, by canonical or relative URL.

        Raises:
            Unknown, Unexpandable: there is none, or its members cannot be told.
        """
        await self.refresh()
        try:
            expansion = await self.expansion(
                required(self.catalogue.value_set(url), url, self.catalogue.beside("ValueSet", url))
            )
        except (Unknown, Unexpandable) as error:
            if self.outside is None or not is_elsewhere(error):
                raise
            return await self._asked(remote_requests.subject(self.catalogue, url))
        return self.concepts.codings(expansion.number, _MANY)

    async def _asked(self, rows: list[dict[str, Any]]) -> Collection[Coding]:
        assert self.outside is not None
        rows.append(remote_requests.text("count", "integer", _MANY))
        return remote_requests.codings(await self.outside.external.ask("ValueSet/$expand", rows))

    async def below(self, system: str, code: str) -> Collection[Coding]:
        """The coding and all it subsumes.

        Raises:
            Unknown: the system or code is not known.
        """
        return await self._related(system, code, "below")

    async def above(self, system: str, code: str) -> Collection[Coding]:
        """The coding and all that subsume it.

        Raises:
            Unknown: the system or code is not known.
        """
        return await self._related(system, code, "above")

    async def _related(self, url: str, code: str, direction: Any) -> Collection[Coding]:
        await self.refresh()
        if not url:
            raise Unexpandable("Subsumption needs a system: [system]|[code].", code="required")
        system = self.catalogue.system(url)
        found: Collection[str] = ()
        if system is not None:
            found = self.concepts.related(system.artifact.number, self.spelled(system, code), direction, _MANY)
        if not found and self.outside is not None and (system is None or system.content != "complete"):
            return await self._asked(remote_requests.filtered(url, _FILTERS[direction], code))
        if system is None:
            raise unknown("code system", url, beside=self.catalogue.beside("CodeSystem", url))
        if not found:
            raise unknown("code", code)
        return [(url, one) for one in found]

    def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a code is in a value set; None where that cannot be told (a set, system or code list not here).

        Synchronous and remembered. What it knows is as of the last `refresh`; before the first, it knows
        nothing and answers None.

        Args:
            value_set: canonical, perhaps `|version`.
            system: of the coding; "" where the element implies it (type `code`).
            code: as it stands in the element.
        """
        self.library.wanted = True
        key = value_set, system, code
        if not self.library.ready:
            self._open.add(key)
            return None
        if self._generation != self.library.generation or len(self._answers) > _REMEMBERED:
            self._generation, self._answers = self.library.generation, {}
            if self.outside is not None:
                self.outside.forget()
        if key not in self._answers:
            self._answers[key] = self._judged(value_set, system, code)
        answer = self._answers[key]
        # A code without its system says too little to be asked about elsewhere.
        if answer is None and self.outside is not None and system.strip():
            answer, asked = self.outside.answer(key)
            if not asked:
                self._open.add(key)
        return answer

    def known_code(self, system: str, version: str, code: str) -> Known | None:
        """What is known of a code, whatever it is bound to; None where its system is not here, or not all of it.

        Synchronous and remembered, as `validate_code`. While nothing but what comes with the server was stored, it is
        answered without the store of concepts.
        """
        key = system, version, code
        if self._codes_of == self.library.generation and key in self._codes:
            return self._codes[key]
        if not self.library.ready and not self.library.bare:
            self._open.add(("", system, code))
            return None
        self._renew()
        found = self._known(*key) if self.library.ready else shipped.known_code(*key)
        if len(system) + len(version) + len(code) <= LONGEST:
            self._codes[key] = found
        return found

    def right_codes(self) -> set[Key]:
        """The codes of which who judges them has nothing to say, by what is known now; to be added to.

        Where nothing can be known yet, nothing is remembered.
        """
        if self._codes_of != self.library.generation or len(self._right) > _REMEMBERED:
            if not self.library.ready and not self.library.bare:
                return set()
            self._renew()
        return self._right

    def _renew(self) -> None:
        is_full = len(self._codes) > _REMEMBERED or len(self._right) > _REMEMBERED
        if self._codes_of != self.library.generation or is_full:
            self._codes_of, self._codes, self._right = self.library.generation, {}, set()

    def _known(self, url: str, version: str, code: str) -> Known | None:
        system = self.catalogue.system(url, version)
        source = _Source(self.concepts, system) if system else None
        return known(source, lambda: self.catalogue.artifact("ValueSet", url) is not None, url, code)

    def listen(self, judge: Callable[[], T]) -> tuple[T, set[Question]]:
        """What `judge` says, and which of its questions had no answer yet that `learn` may find."""
        self._open = set()
        said = judge()
        return said, self._open

    async def learn(self, questions: Collection[Question]) -> None:
        """Come to know what was asked: from the resources where they were not read yet, else from another server."""
        about_sets = [one for one in questions if one[0]]
        if not self.library.ready and not about_sets and await self.library.is_bare():
            return
        if not self.library.ready:
            await self.refresh()
        elif self.outside is not None:
            await self.outside.learn(about_sets)

    def untold(self) -> list[str]:
        """The value sets that another server should have told of since this was last read, and did not."""
        return self.outside.untold() if self.outside is not None else []

    def _judged(self, url: str, system: str, code: str) -> bool | None:
        try:
            found = self.catalogue.value_set(url)
            return None if found is None else self.composer.contains(found, system, code)
        except FhirError:
            return None

    def member_of(self, value: Any, type: str, value_set: str) -> bool | None:
        """FHIRPath's `memberOf`: of a code, Coding, Quantity or CodeableConcept (one coding of it is enough)."""
        if isinstance(value, str):
            return self.validate_code(value_set, "", value)
        if not isinstance(value, dict):
            return None
        if type.rpartition(".")[2] == "CodeableConcept":
            codings = value.get("coding", ())
            # What is judged need not be right yet: that it is no list is said by another rule.
            listed = codings if isinstance(codings, list) else []
            answers = [self.member_of(one, "Coding", value_set) for one in listed]
            return True if True in answers else None if None in answers else False
        system, code = value.get("system"), value.get("code")
        return self.validate_code(value_set, str(system or " "), code) if isinstance(code, str) else False

    def subsumes(self, url: str, code: str, other: str) -> bool | None:
        """Whether `code` is `other` or one of its ancestors; None where the system or a code is not known."""
        self.library.wanted = True
        system = self.catalogue.system(url) if self.library.ready else None
        if system is None:
            return None
        above = self.concepts.related(system.artifact.number, self.spelled(system, other), "above", _MANY)
        known = self.concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
        return known.code in above if above and known else None

    async def close(self) -> None:
        """Let go of files and connections."""
        self.library.close()
        if self.outside is not None:
            await self.outside.external.close()

    async def expansion(self, value_set: ValueSet, pins: Pins | None = None) -> Expansion:
        """The value set expanded, in a thread where that is yet to be done.

        Raises:
            Unexpandable: its members cannot be told.
        """
        return await self.aside(lambda: self.composer.expansion(value_set, pins or {}))

    async def aside(self, question: Callable[[], T]) -> T:
        """What `question` answers, asked in a thread."""
        # What is spent there is of the same request.
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(_threads, lambda: context.run(question))

    def spelled(self, system: System, code: str) -> str:
        """A code as its system writes it, where case does not matter there."""
        if system.case_sensitive:
            return code
        found = self.concepts.concept(system.artifact.number, code, any_case=True)
        return found.code if found else code


class _Source:
    """A code system of the store of concepts, as far as one code is asked of it."""

    def __init__(self, concepts: Concepts, system: System) -> None:
        self.content: str = "supplement" if system.artifact.supplements else system.content
        self.is_r4_copy = shipped.is_r4_copy(system.artifact.url, system.artifact.version)
        self._concepts, self._system = concepts, system

    def named(self, code: str) -> Known | None:
        system = self._system
        found = self._concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
        if found is None:
            return None
        said = spoken(self._concepts, system, found)
        names = (said.display, *(str(one["value"]) for one in said.designation))
        return there(names, inactive=found.inactive, abstract=found.abstract)


def is_elsewhere(error: FhirError) -> bool:
    """Whether an error says that something is not here which another server may have."""
    return isinstance(error, Unknown | Unexpandable) and error.issues[0].code == "not-found"
