"""A CDA document as people read it: who wrote what of whom, then its sections; or the file that it only wraps.

HL7 CDA R2 §4.2 and §4.3. Structured bodies (level 2 and 3) are told by their narrative, which the standard makes the
text that counts; a section without one is told by the names and values of its entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from markupsafe import Markup

from fhir_server.site import moments
from fhir_server.site.words import Language
from fhir_server.space.record.cda import reading, times
from fhir_server.space.record.cda.acts import main_act
from fhir_server.space.record.cda.tree import Node
from fhir_server.space.record.showing import narrative
from fhir_server.space.record.showing.files import File, decoded, kind
from fhir_server.space.record.showing.markup import Page, Tag
from fhir_server.space.record.showing.narrative import Telling, picture, tell
from fhir_server.space.record.showing.words import said

#: Headings below that of the page, from the outside in.
_HEADINGS: tuple[Tag, ...] = ("h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as a page shows it.

    Attributes:
        title: of the document; "" where it has none.
        language: of its text, for `lang`; "" where it does not say.
        markup: HTML, whose headings begin at h2; safe wherever text may stand.
        files: that can be opened, in the order in which the markup names them.
    """

    title: str
    language: str
    markup: Markup
    files: tuple[File, ...] = ()


def shown(document: bytes, language: Language, zone: str) -> Shown:
    """A CDA document.

    Args:
        document: its bytes.
        language: of the server's own words.
        zone: IANA name of the zone in which people read.

    Raises:
        Malformed, Invalid: not CDA, or more than can be shown (400, 422).
    """
    root = reading.read(document)
    _plain(root)
    telling = Telling(
        Page(), language, _media(root), led_to=narrative.led_to(root), blocks=narrative.holding_blocks(root)
    )
    _summary(root, telling, zone)
    structured = root.first("component/structuredBody")
    if structured is not None:
        for section in structured.all("component/section"):
            _section(section, 0, telling)
        _unnamed(structured, telling)
    else:
        _body(root.first("component/nonXMLBody/text"), telling)
    narrative.notes(telling)
    page_language = root.value("languageCode", "code")
    # All of it is built by `Page`, which escapes text and knows no other elements.
    return Shown(root.text_of("title"), page_language, Markup(str(telling.page)), tuple(telling.files))  # noqa: S704


#: XHTML's namespace.
_XHTML = "http://www.w3.org/1999/xhtml "


def _plain(root: Node) -> None:
    """Call elements of XHTML as HTML does: inside a narrative they mean what CDA's own of the same name mean."""
    for node in root.walk():
        node.name = node.name.removeprefix(_XHTML)


def _section(section: Node, depth: int, telling: Telling) -> None:
    page = telling.page
    title = section.text_of("title") or section.value("code", "displayName")
    page.open("section")
    if title:
        page.whole(_HEADINGS[min(depth, len(_HEADINGS) - 1)], title)
        telling.heading = title
    text = section.first("text")
    if text is not None and _says_something(text):
        page.open("div", **telling.id_of(text))
        tell(text, telling)
        page.close("div")
    elif section.first("entry") is not None:
        _entries(section, telling)
    for inner in section.all("component/section"):
        _section(inner, depth + (1 if title else 0), telling)
    page.close("section")


def _says_something(text: Node) -> bool:
    return bool(text.text) or any(node.name == "renderMultiMedia" for node in text.walk())


def _entries(section: Node, telling: Telling) -> None:
    """What the entries say, where nobody wrote a text: each name with its value."""
    facts = [*_facts(section)]
    if not facts:
        return
    telling.page.whole("p", said("no-text", telling.language))
    telling.page.open("ul")
    for fact in facts:
        telling.page.whole("li", fact)
    telling.page.close("ul")


def _facts(section: Node) -> Iterator[str]:
    for entry in section.all("entry"):
        for node in entry.walk():
            name = node.value("code", "displayName") or node.text_of("code/originalText")
            values = [_value(one) for one in node.all("value")]
            told = ", ".join(one for one in values if one)
            if name and node.name in ("observation", "act", "procedure", "supply", "substanceAdministration"):
                yield f"{name} : {told}" if told else name


def _value(value: Node) -> str:
    if value.get("value"):
        return " ".join(part for part in (value.get("value"), value.get("unit").strip("{}")) if part)
    return value.get("displayName") or ("" if value.get("representation") == "B64" else value.text)


# The file that a document wraps, and those inside it


def _media(root: Node) -> dict[str, File | None]:
    """Pictures and files of the body by their ID, the first of each; an area of a picture is shown as the picture."""
    found: dict[str, File | None] = {}
    for node in root.walk():
        if node.name == "observationMedia" and node.get("ID"):
            found.setdefault(node.get("ID"), _file(node.first("value"), _label(node)))
    for node in root.walk():
        inner = node.first("entryRelationship/observationMedia") if node.name == "regionOfInterest" else None
        if inner is not None and node.get("ID"):
            found.setdefault(node.get("ID"), _file(inner.first("value"), _label(node)))
    return found


def _label(node: Node) -> str:
    return node.text_of("code/originalText") or node.value("code", "displayName")


def _file(value: Node | None, label: str) -> File | None:
    """A file in base64; None where it is elsewhere, or no base64."""
    if value is None or not _is_packed(value):
        return None
    content = decoded("".join(one for one in value.children if isinstance(one, str)))
    return None if content is None else File(label, kind(content), content)


def _is_packed(value: Node) -> bool:
    """Whether an ED is in base64: it says so, or is of a type that is no text and says nothing.

    HL7 V3 data types R1 §2.4.4: what says nothing is text; but software that forgets to say it sends PDFs so.
    """
    said_so, kind = value.get("representation"), value.get("mediaType").lower()
    return said_so == "B64" or (not said_so and bool(kind) and not kind.startswith("text/"))


def _unnamed(structured: Node, telling: Telling) -> None:
    """Files that no text leads to: they are of the document all the same."""
    named = {
        name
        for node in structured.walk()
        if node.name == "renderMultiMedia"
        for name in node.get("referencedObject").split()
    }
    for node in structured.walk():
        if node.name == "regionOfInterest" and node.get("ID") in named:
            # The picture of an area is shown for the area.
            named |= {inner.get("ID") for inner in node.all("entryRelationship/observationMedia")}
    for name, file in telling.media.items():
        if name not in named and file is not None:
            picture(file, telling)
    for node in structured.walk():
        if node.name == "observationMedia" and not node.get("ID"):
            loose = _file(node.first("value"), _label(node))
            if loose is not None:
                picture(loose, telling)


def _body(text: Node | None, telling: Telling) -> None:
    """A body that is not structured: text, or a file."""
    page, language = telling.page, telling.language
    page.open("section")
    page.whole("h2", said("content", language))
    file = None if text is None else _file(text, "")
    if text is not None and file is None and not _is_packed(text) and text.text:
        page.whole("div", "".join(one for one in text.children if isinstance(one, str)).strip(), class_="words")
    elif file is None:
        is_elsewhere = text is not None and text.first("reference") is not None
        page.whole("p", said("elsewhere" if is_elsewhere else "unread", language))
    elif text is not None and (words := _words(text, file.content)):
        page.whole("div", words.strip(), class_="words")
    else:
        picture(file, telling)
    page.close("section")


#: Encodings of text that are tried, in this order; the second is what Windows wrote for thirty years.
_ENCODINGS = ("utf-8-sig", "windows-1252")


def _words(text: Node, content: bytes) -> str:
    """A body of plain text; "" where it is none."""
    kind = text.get("mediaType").lower()
    if not kind.startswith("text/plain") or b"\0" in content:
        return ""
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""


# In short


def _summary(root: Node, telling: Telling, zone: str) -> None:
    """Who, of whom, when: what the header says that a reader must know."""
    page, language = telling.page, telling.language
    rows = [(key, text) for key, text in _rows(root, language, zone) if text]
    page.open("section")
    page.whole("h2", said("about", language))
    page.open("dl")
    for key, text in rows:
        page.whole("dt", said(key, language))
        page.whole("dd", text)
    page.close("dl")
    page.close("section")


#: The most people that are named of one kind.
_MOST_NAMED = 20


def _rows(root: Node, language: Language, zone: str) -> Iterator[tuple[str, str]]:
    act = main_act(root)
    yield "patient", _patient(root, language, zone)
    yield "written", _when(root.value("effectiveTime"), language, zone)
    authors = [_person(one) for one in root.all("author/assignedAuthor")[:_MOST_NAMED]]
    authors = list(dict.fromkeys(one for one in authors if one))
    yield ("author" if len(authors) == 1 else "authors"), " ; ".join(authors)
    signed = root.first("legalAuthenticator/assignedEntity")
    signer = _person(signed) if signed is not None else ""
    yield "authenticator", signer if signer not in authors else ""
    yield "custodian", root.text_of("custodian/assignedCustodian/representedCustodianOrganization/name")
    if act is not None:
        start = act.value("effectiveTime/low") or act.value("effectiveTime")
        facts = (act.value("code", "displayName"), _when(start, language, zone))
        yield "act", ", ".join(one for one in facts if one)
    meant = [_person(one) for one in root.all("informationRecipient/intendedRecipient")[:_MOST_NAMED]]
    yield "recipients", " ; ".join(dict.fromkeys(one for one in meant if one))


_BORN = {"M": "born-male", "F": "born-female"}


def _patient(root: Node, language: Language, zone: str) -> str:
    person = root.first("recordTarget/patientRole/patient")
    if person is None:
        return ""
    families, givens = person.all("name/family"), person.all("name/given")
    # The name in use first, then that of birth: people know themselves by the first.
    parts: Mapping[str, list[str]] = {
        name: [one.text for one in found if name in one.get("qualifier").split()]
        or [one.text for one in found if not one.get("qualifier")]
        for name, found in (("CL", givens), ("BR", families))
    }
    used = [one.text for one in families if {"CL", "SP"} & set(one.get("qualifier").split())]
    given = parts["CL"] or [one.text for one in givens if "BR" in one.get("qualifier").split()]
    family = used or parts["BR"]
    born = _when(person.value("birthTime")[:8], language, zone)
    name = " ".join([*given[:1], *family[:1]])
    word = _BORN.get(person.value("administrativeGenderCode", "code"), "born")
    return ", ".join(one for one in (name, said(word, language, born) if born else "") if one)


def _person(role: Node) -> str:
    """Who an assigned or intended role is, with what they are and where."""
    person = next(
        (role.first(f"{name}/name") for name in ("assignedPerson", "informationRecipient") if role.first(name)), None
    )
    parts = ("prefix", "given", "family")
    name = " ".join(one.text for part in parts for one in person.all(part)) if person is not None else ""
    name = name.strip(". ") or (person.text if person is not None else "")
    name = name or role.text_of("assignedAuthoringDevice/softwareName")
    what = role.value("code", "displayName")
    where = role.text_of("representedOrganization/name") or role.text_of("receivedOrganization/name")
    beside = ", ".join(dict.fromkeys(one for one in (what, where) if one and one != name))
    return f"{name} ({beside})" if name and beside else name or beside


def _when(text: str, language: Language, zone: str) -> str:
    try:
        found = times.moment(text, ZoneInfo(zone))
    except ValueError:
        return text
    return moments.moment(found.value, language, zone).striptags()
