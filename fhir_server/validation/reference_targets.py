"""Where the references of a resource lead without leaving what was sent: into it, or to another entry of its Bundle.

https://hl7.org/fhir/R4/references.html#contained, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from typing import Any, Literal

from fhir_server.fhir.definitions import resource_types

Tree = dict[str, Any]
#: How a target is found (https://hl7.org/fhir/R4/valueset-resource-aggregation-mode.html).
Mode = Literal["contained", "bundled", "referenced"]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: A fullUrl that is the URL of a resource on a server; its base is what a relative reference is appended to.
_RESTFUL = re.compile(r"(https?://\S+/|https?://[^/\s]+/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}")


class Entries:
    """The resources of a Bundle, by the URLs that name them."""

    __slots__ = ("_by_url", "_relative", "_urls")

    def __init__(self, bundle: Tree) -> None:
        """Reads the entries once; nested Bundles have their own."""
        self._by_url: dict[str, list[Tree]] = {}
        self._relative: dict[str, Tree] = {}
        self._urls: dict[int, str] = {}
        entries = bundle.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                self._take(entry.get("fullUrl"), resource)

    def _take(self, url: Any, resource: Tree) -> None:
        if isinstance(url, str) and url:
            self._by_url.setdefault(url, []).append(resource)
            self._urls[id(resource)] = url
        else:
            # bundle.html#references gives these no identity; in a transaction their type and id are one.
            self._relative.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)

    def url(self, resource: Tree) -> str:
        """The fullUrl of an entry's resource; "" where it has none."""
        return self._urls.get(id(resource), "")

    def target(self, reference: str, full_url: str) -> Tree | None:
        """The entry that a reference leads to, the first of several; None where it leads out of the Bundle.

        Args:
            reference: absolute or relative, with `/_history/` or not.
            full_url: of the entry that the reference stands in.
        """
        return next(iter(self.targets(reference, full_url)), None)

    def targets(self, reference: str, full_url: str) -> list[Tree]:
        """The entries that a reference leads to, of one URL in several versions all; arguments as of `target`."""
        plain, _, version = reference.partition("/_history/")
        if not _ABSOLUTE.match(plain):
            base = _RESTFUL.fullmatch(full_url)
            found = self._by_url.get(base[1] + plain) if base and base[2] in resource_types() else None
            if found is None:
                only = self._relative.get(plain) if not version else None
                return [] if only is None else [only]
        else:
            found = self._by_url.get(plain, [])
        return [one for one in found if not version or _is_of(one, version)]


def _is_of(resource: Tree, version: str) -> bool:
    meta = resource.get("meta")
    return isinstance(meta, dict) and meta.get("versionId") == version


class Around:
    """What stands around a resource.

    Attributes:
        root: the resource that contains it, itself when none does.
        entries: those of the Bundle it is an entry of, or is itself; None when it is in none.
        judged: (what, by which profile) → that resource and whether it conforms; shared by all of one Bundle.
        faultless: (what, by which profile) → an entry's resource that a profile of its Bundle asks to conform to
            another, which has nothing at all to say of it; of a Bundle alone.
    """

    __slots__ = ("_inside", "entries", "faultless", "judged", "root")

    def __init__(
        self, root: Tree, entries: Entries | None = None, judged: dict[tuple[int, str], tuple[Tree, bool]] | None = None
    ) -> None:
        """Around `root`, or around what it contains."""
        self.root = root
        self.entries = Entries(root) if root.get("resourceType") == "Bundle" else entries
        self.judged = {} if judged is None else judged
        self.faultless: dict[tuple[int, str], Tree] = {}
        self._inside: dict[str, Tree] | None = None

    def of(self, target: Tree) -> Around:
        """What stands around another resource: one that `root` contains, or an entry beside or in it."""
        if target is self.root or self._contained(target.get("id")) is target:
            return self
        # Parameters carry resources that have nothing to do with one another.
        return Around(target, None if self.root.get("resourceType") == "Parameters" else self.entries, self.judged)

    def mode(self, reference: str) -> Mode:
        """How the reference's target is found."""
        if reference.startswith("#"):
            return "contained"
        return "referenced" if self.find(reference) is None else "bundled"

    def find(self, reference: str) -> Tree | None:
        """The resource that a reference leads to; None where that is not among what was sent."""
        if not reference.startswith("#"):
            return self.entries.target(reference, self.entries.url(self.root)) if self.entries else None
        return self.root if reference == "#" else self._contained(reference[1:])

    def _contained(self, id: Any) -> Tree | None:
        if self._inside is None:
            members = self.root.get("contained")
            named = [m for m in members if isinstance(m, dict)] if isinstance(members, list) else []
            # The first of an id that stands twice.
            self._inside = {m["id"]: m for m in reversed(named) if isinstance(m.get("id"), str)}
        return self._inside.get(id) if isinstance(id, str) else None
