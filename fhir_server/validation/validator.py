"""Whether a resource is right by base R4: its structure in one run of a compiled schema, then what a schema cannot say.

https://hl7.org/fhir/R4/validation.html. A resource that is right costs one run; only one that is not is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import FhirError, Issue, Severity
from fhir_server.validation import bundles, code_systems, codings, explain, vitals
from fhir_server.validation.levels import Levels, relaxed
from fhir_server.validation.profiles import extensions
from fhir_server.validation.profiles.conformance import Codes, Conformance, own_type
from fhir_server.validation.profiles.extensions import are_judged
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.reference_targets import Around
from fhir_server.validation.types import extensible
from fhir_server.validation.types.structure import NOTHING, Nested, Noticed, explained, right

Tree = dict[str, Any]


class Validator:
    """Judges resources by base R4 and by the profiles of a registry; may be shared by threads."""

    def __init__(
        self,
        profiles: Profiles | None = None,
        *,
        unknown: Literal["warning", "error"] = "warning",
        lenient: frozenset[str] = frozenset(),
        levels: Levels | None = None,
        codes: Codes | None = None,
        code_levels: codings.Levels | None = None,
    ) -> None:
        """A validator of base R4, and of profiles where a registry is given.

        Args:
            profiles: those that `meta.profile` may claim; without a registry claims are not looked at.
            unknown: what a claim to a profile that is not known is.
            lenient: rules of every profile that only warn: `key`, or `key@Type.element`.
            levels: how strictly each profile is held to; strictly by default.
            codes: what value sets hold, beyond those that come with the server, and what codes their systems have;
                without it codes are judged by the value sets that R4 and our profiles list, and by nothing else.
            code_levels: how bad what is wrong with a code is, where it is another than usual.
        """
        self.profiles = profiles
        self.codes = codes
        self.code_levels = code_levels or {}
        self.conformance = Conformance(profiles, codes) if profiles is not None else None
        self.unknown = unknown
        self.lenient = lenient
        self.levels = levels or Levels()
        self.faultless: Mapping[tuple[int, str], Tree] = {}

    def for_client(self, client: str) -> Validator:
        """This validator as it judges what one caller's system sends; what is compiled is shared."""
        if client == self.levels.client or not self.levels.table:
            return self
        levels = self.levels.for_client(client)
        found = Validator(
            unknown=self.unknown, lenient=self.lenient, levels=levels, codes=self.codes, code_levels=self.code_levels
        )
        found.profiles, found.conformance = self.profiles, self.conformance
        return found

    def having_judged(self, around: Around) -> Validator:
        """This validator once a Bundle's profiles have judged it: what they found faultless they need not judge again.

        Args:
            around: the Bundle, as `profiled` was given it. An entry's resource is recognized by being the same object.
        """
        if not around.faultless:
            return self
        found = copy(self)
        found.faultless = around.faultless
        return found

    def validate(self, tree: Tree, type: str | None = None, profiles: Sequence[str] = ()) -> list[Issue]:
        """Everything that is wrong with `tree`, errors and warnings; an empty list when all is well.

        Args:
            tree: a resource of `fhir.json.parse`, decimals as `Decimal`.
            type: what it must be (`Patient`); any resource type by default.
            profiles: canonicals it must conform to, whether it claims them or not.
        """
        noticed = None
        if not profiles and type in (None, tree.get("resourceType")):
            noticed = _plainly_right(tree, self)
            if noticed is NOTHING:
                return [] if _has_narrative(tree) else [_without_narrative(tree["resourceType"])]
        # A Bundle's profile may say of an entry what the entry's own says.
        return list(dict.fromkeys(told(_resource(tree, type, self, profiles, noticed))))

    def profiled(
        self, tree: Tree, type: str, at: str, around: Around, asked: Sequence[str], sound: bool
    ) -> Iterator[Issue]:
        """What the profiles that `tree` claims, and those in `asked`, find wrong with it."""
        if self.conformance is None:
            yield from (self._unknown("error", at) for c in asked if own_type(c) not in definitions.lineage(type))
            return
        claims = _claims(tree)
        for canonical in dict.fromkeys((*asked, *claims)):
            said = f"{at}.meta.profile[{claims[canonical]}]" if canonical in claims else at
            level = self.levels.of(canonical)
            if (level == "off" and canonical not in asked) or self.faultless.get((id(tree), canonical)) is tree:
                continue
            if own_type(canonical) in definitions.lineage(type):
                continue  # the type's own rules, which are always judged
            if self.conformance.type(canonical) is None:
                yield self._unknown("error" if canonical in asked else self.unknown, said)
            elif self.conformance.type(canonical) not in definitions.lineage(type):
                text = f"The profile constrains another type than {type}."
                yield Issue("error", "structure", text, at, "profile-type", canonical)
            else:
                found = self._conforming(tree, canonical, at, around, sound, said)
                url = canonical.partition("|")[0]
                yield from relaxed(found, url, self.levels, self.lenient) if found else found

    def implied(self, tree: Tree, at: str, around: Around, asked: Sequence[str], sound: bool) -> Iterator[Issue]:
        """What the profile of a vital sign finds wrong with an Observation that has its code and does not claim it.

        R4 asks for it; but most who send a heart rate say no more than that, and mean nothing else: it warns, unless
        the level of the profile is said to be strict.
        """
        conformance = self.conformance
        if conformance is None:
            return
        followed = (*asked, *_claims(tree))
        for canonical in vitals.implied(tree):
            level = self.levels.said(canonical)
            if level == "off" or any(conformance.builds_on(one, canonical) for one in followed):
                continue
            for issue in self._conforming(tree, canonical, at, around, sound, at):
                yield issue if level == "strict" or issue.severity != "error" else replace(issue, severity="warning")

    def noticed(self, tree: Tree, type: str, at: str, around: Around, noticed: Noticed | None) -> Iterator[Issue]:
        """What is to be said of extensions and of codes from elsewhere; of what is wrong, all is looked at."""
        if noticed is None or noticed.missed:
            yield from extensible.issues(tree, type, at)
        if self.codes is not None and (noticed is None or noticed.flawed):
            yield from self.forgiving(tree, list(codings.issues(tree, type, at, self.codes, self.code_levels)))
        conformance = self.conformance
        if conformance is None or (noticed and not are_judged(noticed.urls, noticed.modifiers, conformance)):
            return
        for url, found in extensions.issues(tree, type, at, around, conformance, self.levels):
            yield from relaxed(found, url, self.levels, self.lenient) if found else found

    def forgiving(self, tree: Tree, issues: list[Issue]) -> list[Issue]:
        """What base R4 finds wrong with `tree` or its codes, as the lenient profiles that it claims have it."""
        if issues and self.conformance is not None and self.levels.table:
            for canonical in _claims(tree):
                if self.levels.of(canonical) == "lenient":
                    issues = relaxed(issues, canonical.partition("|")[0], self.levels)
        return issues

    def _conforming(self, tree: Tree, canonical: str, at: str, around: Around, sound: bool, said: str) -> list[Issue]:
        assert self.conformance is not None
        try:
            return self.conformance.issues(tree, canonical, at, around, sound, self.levels)
        except FhirError as error:
            # It was right when it was added; a profile that it builds on has changed since.
            text = f"The profile cannot be judged by: {error}"
            return [Issue("warning", "not-supported", text, said, "unknown-profile", canonical)]

    def _unknown(self, severity: Severity, at: str) -> Issue:
        return Issue(severity, "not-found", "The profile is not known to this server.", at, "unknown-profile")


_BASE = Validator()


def validate(tree: Tree) -> list[Issue]:
    """Everything that base R4 finds wrong with the resource `tree`; an empty list when all is well."""
    return _BASE.validate(tree)


def told(issues: Iterator[Issue]) -> Iterator[Issue]:
    """As many of `issues` as one answer tells: all that is wrong up to a limit, which then says so itself."""
    errors = others = 0
    for issue in issues:
        if issue.severity in ("error", "fatal"):
            errors += 1
            yield issue
            if errors == explain.MOST:
                yield Issue("information", "incomplete", f"More than {errors} problems; the rest was not looked for.")
                return
        elif others < explain.MOST:
            others += 1
            yield issue


def _claims(tree: Tree) -> dict[str, int]:
    """The canonicals that a resource claims, and where in `meta.profile` each stands first."""
    meta = tree.get("meta")
    claims = meta.get("profile") if isinstance(meta, dict) else None
    found: dict[str, int] = {}
    for n, claim in enumerate(claims if isinstance(claims, list) else ()):
        if isinstance(claim, str):
            found.setdefault(claim, n)
    return found


def _resource(
    tree: Tree, asked: str | None, by: Validator, profiles: Sequence[str], known: Noticed | None
) -> Iterator[Issue]:
    type = tree.get("resourceType")
    if not isinstance(type, str) or type not in definitions.resource_types():
        yield _untyped(tree, asked or "Resource")
        return
    if asked is not None and type != asked:
        yield Issue("error", "structure", f"A {asked} is asked for here.", f"{asked}.resourceType", "resource-type")
        return
    yield from _judged(tree, type, type, Around(tree), by, profiles, known)


def _plainly_right(tree: Tree, by: Validator) -> Noticed | None:
    """What was noticed of `tree` when base R4 has nothing to say of it; NOTHING where nobody else has, as of most.

    What makes others than base R4 speak (claims to profiles) or is judged in parts (entries) is left to `_resource`.
    """
    type = tree.get("resourceType")
    if not isinstance(type, str) or type not in definitions.resource_types() or type in _IN_PARTS:
        return None
    profiles = by.conformance
    if profiles is not None and ("meta" in tree or "contained" in tree or _is_vital(tree, type)):
        return None
    noticed = right(tree, type, tree, by.codes)
    if noticed is None or noticed is NOTHING or noticed.missed or noticed.flawed:
        return noticed
    is_told = profiles is not None and are_judged(noticed.urls, noticed.modifiers, profiles)
    return noticed if is_told else NOTHING


def _is_vital(tree: Tree, type: str) -> bool:
    return type == "Observation" and bool(vitals.implied(tree))


@lru_cache(maxsize=1024)
def _without_narrative(at: str) -> Issue:
    return Issue("warning", "invariant", "A resource should have narrative for robust management.", at, "dom-6")


def _has_narrative(tree: Tree) -> bool:
    text = tree.get("text")
    return isinstance(text, dict) and "div" in text


def _untyped(tree: Tree, at: str) -> Issue:
    text = "Not a resource type of R4." if "resourceType" in tree else "A resource says its resourceType."
    return Issue("error", "structure", text, f"{at}.resourceType", "resource-type")


def _judged(
    tree: Tree,
    type: str,
    at: str,
    around: Around,
    by: Validator,
    profiles: Sequence[str] = (),
    known: Noticed | None = None,
) -> Iterator[Issue]:
    """The issues of one resource and of those inside it, each by its own type.

    Args:
        tree: the resource.
        type: its type, one of R4's.
        at: its FHIRPath.
        around: the resource that contains it, itself when none does, and the Bundle it is an entry of.
        by: whose profiles and settings apply.
        profiles: canonicals it must conform to besides those it claims.
        known: what was noticed of it and of what contains it, when both are right by base R4.
    """
    root = around.root
    nested = list(_nested(tree, type, at))
    noticed = right(tree, type, root, by.codes) if known is None else known
    sound = True
    if noticed is None:
        found, sound = explained(tree, type, at, root, nested)
        yield from by.forgiving(tree, found)
    yield from by.noticed(tree, type, at, around, noticed)
    if type == "Bundle":
        yield from bundles.issues(tree, at, around)
    elif type == "CodeSystem":
        yield from code_systems.issues(tree, at)
    elif around.entries is not None and (noticed is None or bundles.are_misled(noticed.leads, around)):
        yield from bundles.misled(tree, type, at, around)
    yield from by.profiled(tree, type, at, around, profiles, sound)
    if type == "Observation":
        yield from by.implied(tree, at, around, profiles, sound)
    if root is tree and type not in _NO_NARRATIVE and not _has_narrative(tree):
        yield _without_narrative(at)
    for here, resource, container in nested:
        yield from _inside(
            resource, here, around if container else around.of(resource), by, noticed if container else None
        )


def _inside(resource: Tree, at: str, around: Around, by: Validator, known: Noticed | None) -> Iterator[Issue]:
    type = resource.get("resourceType")
    if not isinstance(type, str):
        return  # its holder has said so
    if type in definitions.resource_types():
        yield from _judged(resource, type, at, around, by, known=known)
    else:
        yield _untyped(resource, at)


#: The resource types that are not DomainResources; a contained resource should have no narrative either.
_NO_NARRATIVE = frozenset(("Bundle", "Binary", "Parameters"))


#: Those that are never judged by base R4's schema alone.
_IN_PARTS = _NO_NARRATIVE | {"CodeSystem"}


def _nested(tree: Tree, type: str, at: str) -> Iterator[Nested]:
    """The resources directly inside `tree`: FHIRPath, resource, and whether it is contained."""
    if type == "Bundle":
        for here, entry in _objects(tree.get("entry"), f"{at}.entry"):
            yield from _held(entry, "resource", here)
            response = entry.get("response")
            if isinstance(response, dict):
                yield from _held(response, "outcome", f"{here}.response")
    elif type == "Parameters":
        yield from _parameters(tree, "parameter", at)
    else:
        for here, resource in _objects(tree.get("contained"), f"{at}.contained"):
            yield here, resource, True


def _parameters(holder: Mapping[str, Any], name: str, at: str) -> Iterator[Nested]:
    for here, parameter in _objects(holder.get(name), f"{at}.{name}"):
        yield from _held(parameter, "resource", here)
        yield from _parameters(parameter, "part", here)


def _held(holder: Tree, name: str, at: str) -> Iterator[Nested]:
    resource = holder.get(name)
    if isinstance(resource, dict):
        yield f"{at}.{name}", resource, False


def _objects(value: Any, at: str) -> Iterator[tuple[str, Tree]]:
    if isinstance(value, list):
        for position, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{at}[{position}]", item
