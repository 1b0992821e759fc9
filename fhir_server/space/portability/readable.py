"""The pages of an archive, which open without a server, a program of ours or a script: the list, and the messages.

French first, then English (WCAG 3.1.2). https://www.w3.org/TR/CSP3/: a page of an archive loads and runs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.names import names
from fhir_server.space.paris import PARIS
from fhir_server.space.portability.gathering import Document, Gathered

if TYPE_CHECKING:
    from fhir_server.space.portability.contents import Filed

_HEAD = Markup(
    '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
    "'unsafe-inline'\">"
    "<style>body{{font:1rem/1.5 sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem}}"
    "table{{border-collapse:collapse}}th,td{{border:1px solid #666;padding:.3rem .6rem;text-align:left}}"
    "pre{{white-space:pre-wrap}}</style></head><body><main>"
)
_END = Markup("</main></body></html>")
_EN = Markup('<span lang="en">{}</span>')
#: Path in the archive → what it is, in French and in English.
_PLACES = (
    ("MESSAGES.HTM", "Les messages, pour les lire", "The messages, to be read"),
    ("AGENDA.ICS", "L’agenda, pour un logiciel de calendrier", "The agenda, for a calendar program"),
    ("TRACES/TRACES.CSV", "Qui a consulté le dossier, pour un tableur", "Who looked at the record, for a spreadsheet"),
    ("TRACES/TRACES.ndjson", "La même chose, pour un logiciel", "The same, for software"),
    ("FHIR/BUNDLE.json", "Toutes les données, pour un logiciel (HL7 FHIR R4)", "All data, for software (HL7 FHIR R4)"),
    ("MANIFEST.XML", "La liste des fichiers et leurs empreintes", "The list of files and their digests"),
)


def page(title: str, inside: Markup, language: str = "fr") -> str:
    """A whole page; `inside` is safe markup."""
    return _HEAD.format(language or "fr", title) + inside + _END


async def index(found: Gathered, filed: Mapping[str, Filed], at: datetime) -> AsyncIterator[bytes]:
    """`INDEX.HTM`: what is in the archive, and the way to each document."""
    yield _HEAD.format("fr", "Mon espace santé : mes données").encode()
    day = at.astimezone(PARIS).strftime("%d/%m/%Y à %H:%M")
    yield (
        Markup("<h1>Mes données de santé</h1><p>Données du {}. {}</p>")
        .format(day, _EN.format("My health data."))
        .encode()
    )
    yield (
        Markup(
            "<p>Ce dossier contient des données de santé : conservez-le en lieu sûr. {}</p>"
            "<p>Vous n’y trouvez pas ce qui vous reste à annoncer par un professionnel de santé. {}</p>"
        )
        .format(
            _EN.format("This folder holds health data: keep it in a safe place."),
            _EN.format("What a health professional has yet to tell you is not in it."),
        )
        .encode()
    )
    yield Markup("<h2>Documents</h2>").encode()
    if found.documents:
        yield (
            Markup(
                "<table><thead><tr><th scope=col>Date</th><th scope=col>Document</th>"
                "<th scope=col>{}</th></tr></thead><tbody>"
            )
            .format(Markup("Fichiers / ") + _EN.format("Files"))
            .encode()
        )
        for one in sorted(found.documents, key=lambda one: one.date, reverse=True):
            yield _row(one, filed).encode()
        yield b"</tbody></table>"
    else:
        yield Markup("<p>Aucun. {}</p>").format(_EN.format("None.")).encode()
    named = {id for one in found.documents for id in one.binaries}
    others = [one for id, one in filed.items() if id not in named]
    if others:
        rows = Markup("").join(Markup("<li>{}</li>").format(_links(one)) for one in others)
        yield Markup("<h2>Autres fichiers / {}</h2><ul>{}</ul>").format(_EN.format("Other files"), rows).encode()
    yield Markup("<h2>Le reste / {}</h2><ul>").format(_EN.format("The rest")).encode()
    for path, french, english in _PLACES:
        yield Markup('<li><a href="{}">{}</a> / {}</li>').format(path, french, _EN.format(english)).encode()
    yield Markup("</ul><h2>Données par type / {}</h2><ul>").format(_EN.format("Data by type")).encode()
    for type, count in sorted(found.counts.items()):
        yield Markup('<li><a href="FHIR/{}.ndjson" lang="en">{}</a>: {}</li>').format(type, type, count).encode()
    yield (Markup("</ul>") + _END).encode()


async def messages(found: Gathered, filed: Mapping[str, Filed], seen: Repository) -> AsyncIterator[bytes]:
    """`MESSAGES.HTM`: each message with who wrote it, to whom and when, the oldest first as they are stored."""
    yield _HEAD.format("fr", "Mes messages").encode()
    yield Markup("<h1>Mes messages / {}</h1>").format(_EN.format("My messages")).encode()
    first, end = found.places.get("Communication", (0, 0))
    if first == end:
        yield Markup("<p>Aucun. {}</p>").format(_EN.format("None.")).encode()
    with found.path.open("rb") as file:
        file.seek(first)
        while file.tell() < end:
            yield (await _message(parse(file.readline()), filed, seen)).encode()
    yield _END.encode()


async def _message(tree: dict[str, Any], filed: Mapping[str, Filed], seen: Repository) -> Markup:
    people = [tree.get("sender") or {}, *tree.get("recipient", ())]
    known = await names(seen, [str(one.get("reference", "")) for one in people if _is_here(one, seen)])
    said = [str(one.get("display") or known.get(str(one.get("reference", "")), "") or "?") for one in people]
    parts = Markup("").join(_part(part, filed) for part in tree.get("payload", ()))
    return Markup("<section><h2>{}</h2><p>{} : {} → {}</p>{}</section>").format(
        str(tree.get("topic", {}).get("text") or "Message"),
        str(tree.get("sent", "")),
        said[0],
        ", ".join(said[1:]),
        parts,
    )


def _is_here(party: dict[str, Any], seen: Repository) -> bool:
    type, _, id = str(party.get("reference", "")).partition("/")
    return bool(id) and "/" not in id and type in ("Patient", "Practitioner", "RelatedPerson", "Organization")


def _part(part: dict[str, Any], filed: Mapping[str, Filed]) -> Markup:
    if "contentString" in part:
        return Markup("<pre>{}</pre>").format(str(part["contentString"]))
    address = str(part.get("contentAttachment", {}).get("url") or part.get("contentReference", {}).get("reference", ""))
    one = filed.get(address.rpartition("/")[2]) if "Binary/" in address else None
    title = str(part.get("contentAttachment", {}).get("title") or "")
    return Markup("<p>{} {}</p>").format(title, _links(one)) if one is not None else Markup("<p>{}</p>").format(title)


def _row(one: Document, filed: Mapping[str, Filed]) -> Markup:
    files = Markup(", ").join(_links(filed[id]) for id in one.binaries if id in filed)
    return Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(one.date, one.title or one.id, files)


def _links(one: Filed) -> Markup:
    found = Markup('<a href="{}">{}</a>').format(one.original.path, one.original.path.rpartition("/")[2])
    if one.page is not None:
        found += Markup(' (<a href="{}">à lire / {}</a>)').format(one.page.path, _EN.format("to read"))
    return found
