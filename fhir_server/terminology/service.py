"""The terminology as the rest of the server asks it: searches, validation and operations.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.concepts import Concepts
from fhir_server.store.protocol import Store
from fhir_server.terminology.catalogue import Catalogue, System, Unexpandable, ValueSet, required, unknown
from fhir_server.terminology.composing import Composer, Expansion, Pins
from fhir_server.terminology.library import Library

Coding = tuple[str, str]
#: More codes than any query can hold; one more tells the asker that there are too many.
_MANY = 20_000
_REMEMBERED = 50_000

T = TypeVar("T")


class Terminology:
    """What codes mean.

    Attributes:
        library: keeps it in step with the resources.
        catalogue: finds code systems and value sets.
        composer: reads value sets.
    """

    def __init__(self, concepts: Callable[[], Concepts], store: Store) -> None:
        """Nothing is opened or read before the first question."""
        self.library = Library(concepts, store)
        self.catalogue = Catalogue(self.library)
        self.composer = Composer(self.catalogue)
        self._wanted = False
        self._answers: dict[tuple[str, str, str], bool | None] = {}
        self._generation = -1

    @property
    def concepts(self) -> Concepts:
        """Where the concepts are."""
        return self.library.concepts

    async def refresh(self) -> None:
        """Take over what was written; to be awaited before the synchronous questions that must know of it."""
        await self.library.refresh()

    async def follow(self) -> None:
        """Take over what was written within the last second; nothing while nobody has asked anything."""
        if self._wanted or self.library.ready:
            await self.library.refresh(every_seconds=1.0)

    async def members(self, url: str) -> Collection[Coding]:
        """The codings of a value set, by canonical or relative URL.

        Raises:
            Unknown, Unexpandable: there is none, or its members cannot be told.
        """
        await self.refresh()
        expansion = await self.expansion(required(self.catalogue.value_set(url), url))
        return self.concepts.codings(expansion.number, _MANY)

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
        if system is None:
            raise unknown("code system", url)
        found = self.concepts.related(system.artifact.number, self.spelled(system, code), direction, _MANY)
        if not found:
            raise unknown("code", code)
        return [(url, one) for one in found]

    def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a code is in a value set; None where that cannot be told (a set, system or code list not here).

        Synchronous and remembered. What it knows is as of the last `refresh` or `follow`; before the first, it knows
        nothing and answers None.

        Args:
            value_set: canonical, perhaps `|version`.
            system: of the coding; "" where the element implies it (type `code`).
            code: as it stands in the element.
        """
        self._wanted = True
        if not self.library.ready:
            return None
        if self._generation != self.library.generation or len(self._answers) > _REMEMBERED:
            self._generation, self._answers = self.library.generation, {}
        key = value_set, system, code
        if key not in self._answers:
            self._answers[key] = self._judged(value_set, system, code)
        return self._answers[key]

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
            answers = [self.member_of(one, "Coding", value_set) for one in value.get("coding", ())]
            return True if True in answers else None if None in answers else False
        system, code = value.get("system"), value.get("code")
        return self.validate_code(value_set, str(system or " "), code) if isinstance(code, str) else False

    def subsumes(self, url: str, code: str, other: str) -> bool | None:
        """Whether `code` is `other` or one of its ancestors; None where the system or a code is not known."""
        self._wanted = True
        system = self.catalogue.system(url) if self.library.ready else None
        if system is None:
            return None
        above = self.concepts.related(system.artifact.number, self.spelled(system, other), "above", _MANY)
        known = self.concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
        return known.code in above if above and known else None

    async def expansion(self, value_set: ValueSet, pins: Pins | None = None) -> Expansion:
        """The value set expanded, in a thread where that is yet to be done.

        Raises:
            Unexpandable: its members cannot be told.
        """
        return await self.aside(lambda: self.composer.expansion(value_set, pins or {}))

    async def aside(self, question: Callable[[], T]) -> T:
        """What `question` answers, asked in a thread."""
        return await asyncio.to_thread(question)

    def spelled(self, system: System, code: str) -> str:
        """A code as its system writes it, where case does not matter there."""
        if system.case_sensitive:
            return code
        found = self.concepts.concept(system.artifact.number, code, any_case=True)
        return found.code if found else code
