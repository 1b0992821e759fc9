"""Requests that are as long as a caller can make them: each a legal call, or a refusal that takes long to arrive at.

A row is data, so that the test of liveness and the table of the README measure the same requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.benchmarks import calls
from tests.benchmarks import heavy_bodies as bodies
from tests.benchmarks import heavy_definitions as definitions
from tests.benchmarks import heavy_interactions as interactions
from tests.benchmarks.calls import Call


@dataclass(frozen=True, slots=True)
class Heavy:
    """A request that takes long.

    Attributes:
        name: what it is, in words.
        calls: from a size (1 is as large as it gets) to the calls that prepare, and last the call that is meant.
        apart: whether it is done in the process beside, at a twentieth of that size too; else a bound ends it, or it
            passes through in pieces.
    """

    name: str
    calls: Callable[[float], list[Call]]
    apart: bool = True


ALL = [
    Heavy("transaction whose entries refer to each other by criteria", interactions.transaction),
    Heavy("batch of FHIRPath patches with a costly path", interactions.patches),
    Heavy("one FHIRPath patch with a costly path", interactions.one_patch),
    Heavy("JSON Patch that copies again and again", interactions.copies),
    Heavy("`$validate` of 2,500,000 notes", bodies.notes),
    Heavy("Patient with 400,000 names stored", calls.names),
    Heavy("small patch of that Patient", bodies.names_again),
    Heavy("that Patient with `_elements`", bodies.names_summarised),
    Heavy("that Patient in XML", bodies.names_in_xml),
    Heavy("that Patient indented", bodies.names_indented),
    Heavy("that Patient on a page", bodies.names_on_a_page),
    Heavy("array of 15,000,000 strings", bodies.strings),
    Heavy("array of 23,000,000 integers", bodies.integers),
    Heavy("array of 15,000,000 empty objects", bodies.objects),
    Heavy("one string of 40 MB with accents", bodies.one_string),
    Heavy("narrative of 40 MB", bodies.narrative),
    Heavy("photo of 36 MB", bodies.photo),
    Heavy("Binary of 46 MB", bodies.binary, apart=False),
    Heavy("XML of 48 MB", bodies.xml_names),
    Heavy("JSON with 130,000 mistakes, to be placed", bodies.wrong_json),
    Heavy("XML with 500,000 mistakes, to be placed", bodies.wrong_xml),
    Heavy("40,000 extensions, each 32 deep", bodies.nested),
    Heavy("100,000 contained resources", bodies.contained),
    Heavy("batch of 1,200 searches of 1,000 resources", interactions.searches),
    Heavy("batch of 5,000 creates", interactions.creates),
    Heavy("transaction of 1,000 deletes and as many references", interactions.deletes),
    Heavy("transaction of 2,500 conditions by date", interactions.same_condition),
    Heavy("transaction with 150,000 links between entries", interactions.links),
    Heavy("CodeSystem of 230,000 concepts", definitions.code_system),
    Heavy("`$expand` of 40,000 includes", definitions.expansion),
    Heavy("`$expand` of 300 value sets of value sets", definitions.sets_of_sets, apart=False),
    Heavy("`$translate` by a map of 300,000 codes", definitions.translation),
    Heavy("SearchParameter with a costly expression", definitions.parameter),
    Heavy("claim of a profile with 1,500 costly rules", definitions.profile),
    Heavy("claim of a profile with 900 slices", definitions.sliced_profile),
    Heavy("search form of 3,500,000 parameters", interactions.form, apart=False),
    Heavy("search form of 1,500,000 values", interactions.values, apart=False),
    Heavy("`_filter` of 400 tests", interactions.filter, apart=False),
    Heavy("`_include:iterate` along 1,000 resources", interactions.iterated, apart=False),
    Heavy("page of 60 resources of 350 KB", interactions.pages, apart=False),
    Heavy("history of the same", interactions.history, apart=False),
    Heavy("the same with `_elements`", interactions.summaries),
    Heavy("Questionnaire of 230,000 items", bodies.questionnaire),
    Heavy("document of 60,000 resources", bodies.document),
]  # fmt: skip  # fmt: skip


def named(words: str) -> Iterator[Heavy]:
    """Those whose name contains `words`."""
    return (one for one in ALL if words in one.name)
