"""Runs one TestScript against one server: setup, tests, teardown.

https://hl7.org/fhir/R4/testscript.html. What fails in the setup leaves the tests out; what fails in a test leaves out
what remains of that test, unless it only warns; the teardown is done whatever came before, all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_server.conformance.assertions import judge
from fhir_server.conformance.capabilities import lacking
from fhir_server.conformance.client import Client
from fhir_server.conformance.profiles import Judge
from fhir_server.conformance.requests import request
from fhir_server.conformance.script import Script
from fhir_server.conformance.sources import Source, Tree, Unusable
from fhir_server.conformance.variables import replaced
from fhir_server.fhir.outcome import FhirError

#: https://hl7.org/fhir/R4/valueset-report-action-result-codes.html
Result = Literal["pass", "skip", "fail", "warning", "error"]
STOPS: tuple[Result, ...] = ("fail", "error")


@dataclass(frozen=True, slots=True)
class Action:
    """What came of an action: its kind, its result, why in words, and what the script calls it."""

    kind: Literal["operation", "assert"]
    result: Result
    message: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """What came of a test of a script."""

    name: str
    description: str
    actions: list[Action]

    @property
    def result(self) -> Result:
        """`fail` when an action failed or could not be done, `skip` when none was done; a warning passes."""
        results = {action.result for action in self.actions}
        return "fail" if results & {*STOPS} else "skip" if results == {"skip"} else "pass"


@dataclass(slots=True)
class Run:
    """What came of a script.

    Attributes:
        script: what was run.
        server: the base it was run against.
        began: when.
        skipped: why nothing was run, in words; empty when it was.
    """

    script: Script
    server: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    skipped: str = ""
    setup: list[Action] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    teardown: list[Action] = field(default_factory=list)

    @property
    def result(self) -> Literal["pass", "fail", "pending"]:
        """`pending` when the script was skipped: it has said nothing about the server."""
        if self.skipped:
            return "pending"
        actions = [*self.setup, *self.teardown, *(action for test in self.tests for action in test.actions)]
        return "fail" if _broken(actions) else "pass"


async def run(script: Script, client: Client) -> Run:
    """Run `script` against the server of `client`; nothing that the server answers is raised."""
    found = Run(script, client.base)
    try:
        found.skipped = await _unmet(script, client)
        scene = _Scene(script, client)
    except FhirError as error:
        found.setup = [Action("operation", "error", str(error), "What the script needs")]
        _skip(found)
        return found
    if found.skipped:
        _skip(found)
        return found
    found.setup = await scene.create()
    found.setup += (
        _skipped(script.actions("setup")) if _broken(found.setup) else await scene.all(script.actions("setup"))
    )
    broken = _broken(found.setup)
    for number, test in enumerate(script.rows("test"), 1):
        actions = _skipped(test["action"]) if broken else await scene.all(test["action"])
        found.tests.append(_named(test, number, actions))
    found.teardown = [*await scene.all(script.actions("teardown"), stop=False), *await scene.delete()]
    return found


def _broken(actions: Iterable[Action]) -> bool:
    return any(action.result in STOPS for action in actions)


def _skip(found: Run) -> None:
    """Everything that was not done yet is left out."""
    found.setup += _skipped(found.script.actions("setup"))
    found.tests = [_named(t, n, _skipped(t["action"])) for n, t in enumerate(found.script.rows("test"), 1)]
    found.teardown = _skipped(found.script.actions("teardown"))


def _named(test: Mapping[str, Any], number: int, actions: list[Action]) -> Test:
    return Test(test.get("name") or test.get("id") or f"Test {number}", test.get("description", ""), actions)


def _skipped(actions: Iterable[Mapping[str, Any]]) -> list[Action]:
    return [Action(_kind(action), "skip", "Left out.", _title(action)) for action in actions]


def _kind(action: Mapping[str, Any]) -> Literal["operation", "assert"]:
    return "operation" if "operation" in action else "assert"


def _title(action: Mapping[str, Any]) -> str:
    part = action[_kind(action)]
    return str(part.get("description") or part.get("label") or "")


async def _unmet(script: Script, client: Client) -> str:
    """Which of the capabilities that the script requires the server does not claim, in words."""
    rows = script.tree.get("metadata", {}).get("capability", ())
    wanted = [row["capabilities"] for row in rows if row.get("required") or row.get("validated")]
    required = [tree for canonical in wanted if (tree := script.resource(canonical)) is not None]
    if not required:
        return ""  # A statement that is not at hand cannot be held against a server.
    operation = {"type": {"code": "capabilities"}}
    _, answer = await client.send(request(operation, client.base, _nothing, str))
    absent = list(dict.fromkeys(what for tree in required for what in lacking(answer.resource(), tree)))
    return f"The server does not claim: {', '.join(absent[:10])}." if absent else ""


def _nothing(id: str | None) -> Source:
    raise Unusable("There is no operation before this.")


class _Scene:
    """A script under way: its fixtures, and the requests and responses so far."""

    def __init__(self, script: Script, client: Client) -> None:
        self.base = client.base
        self._script = script
        self._client = client
        self._judge = Judge(script)
        self._variables = {row["name"]: row for row in script.rows("variable")}
        self._sources: dict[str, Source] = {}
        self._last: tuple[Source, Source] | None = None
        self._contained: set[str] = set()
        for row in script.rows("fixture"):
            self._sources[row.get("id", "")] = _fixture(script, row)
            if row["resource"]["reference"].startswith("#"):
                self._contained.add(row["id"])

    def find(self, id: str | None) -> Source:
        if id is None:
            return self._exchange()[1]
        if id not in self._sources:
            raise Unusable(f"There is no fixture, request or response {id!r} (yet).")
        return self._sources[id]

    def sent(self) -> Source:
        return self._exchange()[0]

    def _exchange(self) -> tuple[Source, Source]:
        if self._last is None:
            raise Unusable("There is no operation before this.")
        return self._last

    def fill(self, text: str) -> str:
        return replaced(text, self._variables, self.find)

    def invalid(self, tree: Tree, profile: str) -> list[str]:
        return self._judge.invalid(tree, profile)

    async def all(self, actions: Iterable[Mapping[str, Any]], stop: bool = True) -> list[Action]:
        """Do `actions` in order; with `stop`, what follows one that failed is left out."""
        done: list[Action] = []
        broken = False
        for action in actions:
            done += _skipped([action]) if broken else [await self._one(action)]
            broken = broken or (stop and done[-1].result in STOPS)
        return done

    async def _one(self, action: Mapping[str, Any]) -> Action:
        kind, title = _kind(action), _title(action)
        # "…a warning only on error for this assert": what cannot be judged stops nothing then either.
        lenient = kind == "assert" and action[kind].get("warningOnly")
        try:
            if kind == "operation":
                return Action(kind, "pass", await self._operate(action[kind]), title)
            verdict = judge(action[kind], self)
        except FhirError as error:
            return Action(kind, "warning" if lenient else "error", str(error), title)
        return Action(kind, "pass" if verdict.holds else "warning" if lenient else "fail", verdict.message, title)

    async def _operate(self, operation: Mapping[str, Any]) -> str:
        self._refuse_others(operation)
        made = request(operation, self.base, self.find, self.fill)
        # What comes next is never judged by the exchange before this one, even when nothing comes back.
        self._last = None
        sent, received = self._last = await self._client.send(made)
        if "requestId" in operation:
            self._sources[operation["requestId"]] = sent
        if "responseId" in operation:
            self._sources[operation["responseId"]] = received
        return f"{made.method.upper()} {made.url}: {received.status}"

    def _refuse_others(self, operation: Mapping[str, Any]) -> None:
        """This runner is the one origin, and the server under test is the one destination."""
        for name in ("origin", "destination"):
            if len(self._script.rows(name)) > 1:
                raise Unusable(f"The script has several {name}s, and this runner tests one server.")

    async def create(self) -> list[Action]:
        """Create the fixtures that are created by themselves; each is then known by the id the server gave it."""
        done = []
        for row in self._script.rows("fixture"):
            if row.get("autocreate"):
                done.append(await self._create(row["id"]))
        return done

    async def _create(self, id: str) -> Action:
        title = f"Create the fixture {id}"
        tree = self._sources[id].resource()
        # A file is a resource that others may refer to and keeps its id; a contained one has an id in the script only.
        code = "updateCreate" if "id" in tree and id not in self._contained else "create"
        operation = {"type": {"code": code}, "sourceId": id}
        try:
            said = await self._operate(operation)
        except FhirError as error:
            return Action("operation", "error", str(error), title)
        answer = self.find(None)
        if answer.status not in (200, 201):
            return Action("operation", "fail", said, title)
        given = answer.identity()[1] or tree.get("id")
        self._sources[id] = Source({**tree, "id": given} if given else tree)
        return Action("operation", "pass", said, title)

    async def delete(self) -> list[Action]:
        """Delete the fixtures that are deleted by themselves, the last created first."""
        automatic = {row["id"] for row in self._script.rows("fixture") if row.get("autodelete")}
        known = [id for id in self._sources if id in automatic and self._sources[id].identity()[1]]
        actions = [{"operation": {"type": {"code": "delete"}, "targetId": id}} for id in reversed(known)]
        return [await self._one({**action, "operation": _described(action["operation"])}) for action in actions]


def _described(operation: dict[str, Any]) -> dict[str, Any]:
    return {**operation, "description": f"Delete the fixture {operation['targetId']}"}


def _fixture(script: Script, row: Mapping[str, Any]) -> Source:
    reference = row.get("resource", {}).get("reference", "")
    tree = script.resource(reference) if reference else None
    if "id" not in row:
        raise Unusable("A fixture has no id to refer to it by.")
    if tree is None:
        # "All fixtures are required for the test script to execute."
        raise Unusable(f"The fixture {row['id']} is not there: {reference or 'it has no resource'}.")
    return Source(tree)
