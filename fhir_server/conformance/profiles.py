"""The profiles a script validates by: those it brings, R4's own, and those this project ships.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.assert.validateProfileId
"""

from __future__ import annotations

from fhir_server.conformance.script import Script
from fhir_server.conformance.sources import Tree, Unusable
from fhir_server.fhir.definitions import SPECIFICATION, resource_types
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator


class Judge:
    """Validates by the profiles of one script."""

    def __init__(self, script: Script) -> None:
        """Adds the profiles that the script brings.

        Raises:
            FhirError: one of them cannot be judged by.
        """
        profiles = Profiles()
        self._canonicals = {row.get("id", ""): row.get("reference", "") for row in script.rows("profile")}
        for id, reference in self._canonicals.items():
            tree = script.resource(reference)
            if tree is not None and tree.get("resourceType") == "StructureDefinition":
                if tree.get("derivation") == "constraint":
                    profiles.add(tree)
                self._canonicals[id] = str(tree.get("url", reference))
        self._validator = Validator(profiles)

    def invalid(self, tree: Tree, profile: str) -> list[str]:
        """What is wrong with `tree` by the profile that the script calls `profile`, errors only, in words.

        Raises:
            Unusable: there is no such profile in the script, or nothing is known of it here.
        """
        canonical = self._canonicals.get(profile)
        if canonical is None:
            raise Unusable(f"The script has no profile {profile!r}.")
        type = canonical.partition("|")[0].removeprefix(SPECIFICATION)
        if type in resource_types():
            issues = self._validator.validate(tree, type)
        else:
            known = self._validator.profiles is not None and self._validator.profiles.find(canonical) is not None
            if not known:
                raise Unusable(f"The profile {canonical} is not known here.")
            issues = self._validator.validate(tree, profiles=(canonical,))
        wrong = [issue for issue in issues if issue.severity in ("error", "fatal")]
        return [f"{issue.expression}: {issue.diagnostics}" for issue in wrong]
