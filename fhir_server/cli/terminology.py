"""`fhir-server terminology`: code systems imported from a table or from a CodeSystem.

A table is CSV with a header. `code` is needed; `display`, `definition`, `parent` (several with `|`), `inactive` and
`display:fr` (a designation in that language) mean what they say, and any other column is a property.
"""

from __future__ import annotations

import asyncio
import csv
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.one_at_a_time import alone
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.settings import Settings

terminology = typer.Typer(name="terminology", help="Code systems.")

_STANDARD = "http://hl7.org/fhir/concept-properties#"
_KNOWN = frozenset({"code", "display", "definition", "parent", "inactive"})
_TRUE = frozenset({"1", "true", "yes", "oui", "vrai"})


@terminology.callback()
def group() -> None:
    """Keep `import` a command of its own while it is the only one."""


@terminology.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A table (.csv) or a CodeSystem (.json).", exists=True, dir_okay=False)],
    url: Annotated[str, typer.Option(help="Canonical URL of the code system; needed for a table.")] = "",
    version: Annotated[str, typer.Option(help="Its business version.")] = "",
    name: Annotated[str, typer.Option(help="Its name [the file's].")] = "",
    data: Data = None,
    store: Store = None,
) -> None:
    """Write a code system, and make its concepts ready to be asked for; again replaces what was there."""
    chosen = settings(data=data, store=store)
    began = time.monotonic()
    try:
        tree = _code_system(file, url, version, name)
        with occupied(chosen, new=True):
            asyncio.run(_write(chosen, tree))
    except FhirError as error:
        for issue in error.issues:
            if issue.severity in ("error", "fatal"):
                err.print(f"{issue.expression or file.name}: {issue.diagnostics}", markup=False)
        raise typer.Exit(WRONG) from None
    out.print(f"{tree['url']}: {tree['count']} concepts in {time.monotonic() - began:.1f} s.", markup=False)


def _code_system(file: Path, url: str, version: str, name: str) -> dict[str, Any]:
    if file.suffix.lower() == ".json":
        tree = parse(file.read_bytes())
        if tree.get("resourceType") != "CodeSystem" or not isinstance(tree.get("url", url), str):
            refuse(f"{file.name} is not a CodeSystem.")
        tree["url"] = url or tree.get("url", "")
    else:
        tree = {**_table(file), "url": url}
    if not tree.get("url"):
        refuse("The code system needs a canonical URL: --url.")
    tree |= {key: text for key, text in (("version", version), ("name", name)) if text}
    tree.setdefault("name", re.sub(r"\W", "", file.stem.title()) or "CodeSystem")
    tree["count"] = _count(tree.get("concept", []))
    own = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{tree['url'].partition('://')[2]}-{tree.get('version', '')}").strip("-")
    tree["id"] = own[-64:].lstrip("-") or "code-system"
    return tree


def _table(file: Path) -> dict[str, Any]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            delimiter = ";" if text.readline().count(";") else ","
            text.seek(0)
            rows = csv.DictReader(text, delimiter=delimiter)
            columns = [column for column in rows.fieldnames or () if column]
            if "code" not in columns:
                refuse(f"{file.name} has no column code.")
            concepts = list(_concepts(rows, columns))
    except (UnicodeDecodeError, csv.Error) as error:
        refuse(f"{file.name} is not a table in UTF-8: {error}")
    properties = [c for c in columns if c not in _KNOWN and not c.startswith("display:")]
    defined = [{"code": c, "uri": _STANDARD + c, "type": t} for c, t in (("parent", "code"), ("inactive", "boolean"))]
    return {
        "resourceType": "CodeSystem",
        "status": "active",
        "caseSensitive": True,
        "content": "complete",
        "property": [*defined, *({"code": c, "type": "string"} for c in properties)],
        "concept": concepts,
    }


def _concepts(rows: csv.DictReader[str], columns: list[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        given = {c: row[c].strip() for c in columns if row[c] and row[c].strip()}
        if "code" not in given:
            continue
        concept: dict[str, Any] = {key: given[key] for key in ("code", "display", "definition") if key in given}
        designations = [{"language": c[8:], "value": v} for c, v in given.items() if c.startswith("display:")]
        properties: list[dict[str, Any]] = [
            {"code": "parent", "valueCode": one.strip()} for one in given.get("parent", "").split("|") if one.strip()
        ]
        if given.get("inactive", "").lower() in _TRUE:
            properties.append({"code": "inactive", "valueBoolean": True})
        further = (c for c in given if c not in _KNOWN and not c.startswith("display:"))
        properties += [{"code": c, "valueString": given[c]} for c in further]
        yield concept | {k: v for k, v in (("designation", designations), ("property", properties)) if v}


def _count(rows: Any) -> int:
    count, stack = 0, list(rows) if isinstance(rows, list) else []
    while stack:
        row = stack.pop()
        count += 1
        below = row.get("concept") if isinstance(row, dict) else None
        stack += below if isinstance(below, list) else []
    return count


async def _write(chosen: Settings, tree: dict[str, Any]) -> None:
    from fhir_server.app import opened
    from fhir_server.interactions.exchange import FHIR_JSON, Request
    from fhir_server.interactions.update import update

    async with opened(chosen) as house:
        request = Request("PUT", ("CodeSystem", tree["id"]), body=serialize(tree), content_type=FHIR_JSON)
        context = replace(house.own_context(), administers=True)

        async def written() -> None:
            await update(request, context)
            await house.terminology.refresh()

        await alone(house.engine.records, "terminology import", written)
