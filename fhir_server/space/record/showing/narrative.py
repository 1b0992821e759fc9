"""The narrative block of a CDA section as HTML: paragraphs, lists, tables, links, notes and pictures.

HL7 CDA R2 §4.3.5 (NarrativeBlock.xsd); https://www.w3.org/TR/WCAG21/ (1.1.1, 1.3.1, 2.4.1, 3.1.2). HTML's own elements,
which software writes there too, are told as what they mean; of any other the text alone is shown. Ids become numbers of
this page's own, and only where something leads to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from fhir_server.fhir.outcome import Invalid
from fhir_server.site.words import Language
from fhir_server.space.record.cda.tree import Node
from fhir_server.space.record.showing.files import MOST_SHOWN, File
from fhir_server.space.record.showing.markup import Page, Tag
from fhir_server.space.record.showing.words import said

#: Places in all tables of a document: what a browser's memory is for.
MOST_SLOTS = 200_000
#: Pictures and files that a document names.
MOST_MEDIA = 200
#: Cells that one cell may take the place of: browsers stop at a thousand columns, and no table is so wide.
_WIDEST = 100
_BLANKS = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"[1-9]\d{0,8}", re.ASCII)


@dataclass(slots=True)
class Telling:
    """One document while it is told.

    Attributes:
        page: what has been written.
        language: of the server's own words.
        media: pictures and files of the document by their ID; None for what is named and not inside.
        files: those that are offered to be opened, in order.
        led_to: IDs that something leads to → their number on the page.
        notes: footnotes that are told at the end.
        blocks: `id()` of the elements inside which a block stands, which HTML allows in fewer places than CDA.
        shown: bytes of pictures shown so far.
        heading: that of the section being told.
    """

    page: Page
    language: Language
    media: Mapping[str, File | None] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    led_to: dict[str, int] = field(default_factory=dict)
    notes: list[Node] = field(default_factory=list)
    blocks: set[int] = field(default_factory=set)
    shown: int = 0
    heading: str = ""
    _given: set[str] = field(default_factory=set)
    _media_named: int = 0
    _slots: int = 0

    def id_of(self, node: Node) -> dict[str, str]:
        """The `id` of an element that something leads to; once each, whatever the document repeats."""
        name = node.get("ID")
        if name not in self.led_to or name in self._given:
            return {}
        self._given.add(name)
        return {"id": f"texte-{self.led_to[name]}"}

    def takes(self, slots: int = 0, media: int = 0) -> None:
        """Count places in tables, and pictures and files that are named.

        Raises:
            Invalid: more than a page can hold (422).
        """
        self._slots += slots
        self._media_named += media
        if self._slots > MOST_SLOTS or self._media_named > MOST_MEDIA:
            what = "tables" if self._slots > MOST_SLOTS else "pictures and files"
            raise Invalid(f"The document has more {what} than can be shown.", code="too-costly")

    def offer(self, file: File) -> None:
        """Name a file that can be opened."""
        if file not in self.files:
            self.files.append(file)
        number = str(self.files.index(file) + 1)
        label = file.label or said("file", self.language, number)
        self.page.whole("p", said("joined", self.language, label))


def led_to(root: Node) -> dict[str, int]:
    """The IDs that links and references to notes lead to, numbered."""
    found: dict[str, int] = {}
    for node in root.walk():
        name = node.get("href")[1:] if node.name == "linkHtml" and node.get("href").startswith("#") else ""
        name = node.get("IDREF") if node.name == "footnoteRef" else name
        if name:
            found.setdefault(name, len(found) + 1)
    return found


def tell(node: Node, telling: Telling) -> None:
    """Write what is inside a narrative element."""
    for child in node.children:
        if isinstance(child, str):
            # The blanks of a narrative are those of the file's own layout.
            telling.page.words(_BLANKS.sub(" ", child))
        else:
            _ELEMENTS.get(child.name, tell)(child, telling)


def notes(telling: Telling) -> None:
    """Write the footnotes, each with a way back."""
    if not telling.notes:
        return
    page, language = telling.page, telling.language
    page.open("section")
    page.whole("h2", said("notes", language))
    page.open("ol")
    # A note inside a note is told after it.
    for number, note in enumerate(telling.notes, 1):
        page.open("li", id=f"note-{number}")
        tell(note, telling)
        page.words(" ")
        page.whole("a", said("back", language), href=f"#appel-{number}")
        page.close("li")
    page.close("ol")
    page.close("section")


# One element each


def _element(tag: Tag, node: Node, telling: Telling) -> None:
    telling.page.open(tag, **telling.id_of(node), **_language(node))
    tell(node, telling)
    telling.page.close(tag)


def _language(node: Node) -> dict[str, str]:
    return {"lang": node.get("language")} if node.get("language") else {}


#: Word of a styleCode, lower case → the elements that say it.
_STYLES: Mapping[str, tuple[Tag, ...]] = {
    "bold": ("strong",),
    "emphasis": ("em",),
    "italics": ("em",),
    "bolditalics": ("strong", "em"),
    "underline": ("u",),
}
_REVISED: Mapping[str, tuple[Tag, ...]] = {"insert": ("ins",), "delete": ("del",)}


def _styles(node: Node) -> list[Tag]:
    named = (tag for word in node.get("styleCode").lower().split()[:10] for tag in _STYLES.get(word, ()))
    return list(dict.fromkeys([*named, *_REVISED.get(node.get("revised").lower(), ())]))


def _styled(node: Node, telling: Telling) -> None:
    styles = _styles(node)
    for tag in styles:
        telling.page.open(tag)
    tell(node, telling)
    for tag in reversed(styles):
        telling.page.close(tag)


def _content(node: Node, telling: Telling) -> None:
    attributes = {**telling.id_of(node), **_language(node)}
    tag: Tag = "div" if id(node) in telling.blocks else "span"
    if attributes:
        telling.page.open(tag, **attributes)
    _styled(node, telling)
    if attributes:
        telling.page.close(tag)


def _paragraph(node: Node, telling: Telling) -> None:
    # A paragraph of CDA may hold what one of HTML may not.
    tag: Tag = "div" if id(node) in telling.blocks else "p"
    telling.page.open(tag, **telling.id_of(node), **_language(node))
    _styled(node, telling)
    telling.page.close(tag)


#: HTML's headings, which are none of the page's: the sections of the document have those.
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = frozenset(
    {"table", "list", "paragraph", "renderMultiMedia", "caption", "p", "div", "pre", "ul", "ol", *_HEADINGS}
)


def holding_blocks(node: Node) -> set[int]:
    """`id()` of the elements of a document inside which a block stands."""
    found: set[int] = set()
    _mark(node, found)
    return found


def _mark(node: Node, found: set[int]) -> bool:
    inside = [_mark(child, found) or child.name in _BLOCKS for child in node.elements]
    if any(inside):
        found.add(id(node))
    return any(inside)


def _heading(node: Node, telling: Telling) -> None:
    telling.page.open("div")
    _element("strong", node, telling)
    telling.page.close("div")


def _break(_: Node, telling: Telling) -> None:
    telling.page.open("br")


def _link(node: Node, telling: Telling) -> None:
    href = node.get("href")
    attributes = telling.id_of(node)
    if href.startswith("#"):
        attributes["href"] = f"#texte-{telling.led_to[href[1:]]}" if href[1:] in telling.led_to else ""
    else:
        attributes |= {"href": href, "rel": "noopener noreferrer nofollow"}
    telling.page.open("a", **attributes)
    tell(node, telling)
    if not node.text:
        telling.page.words(node.get("title") or href)
    telling.page.close("a")


def _note(node: Node, telling: Telling) -> None:
    telling.notes.append(node)
    number = str(len(telling.notes))
    telling.page.open("sup", **telling.id_of(node))
    label = said("note", telling.language, number)
    telling.page.whole("a", number, id=f"appel-{number}", href=f"#note-{number}", aria_label=label)
    telling.page.close("sup")


def _note_reference(node: Node, telling: Telling) -> None:
    number = telling.led_to.get(node.get("IDREF"))
    if number is not None:
        telling.page.open("sup")
        telling.page.whole("a", node.text or "*", href=f"#texte-{number}")
        telling.page.close("sup")


#: Word of a list's styleCode → `type` of an ordered list.
_COUNTED = {"arabic": "1", "littleroman": "i", "bigroman": "I", "littlealpha": "a", "bigalpha": "A"}


def _list(node: Node, telling: Telling) -> None:
    for caption in node.all("caption"):
        _paragraph(caption, telling)
    counted = next((_COUNTED[word] for word in node.get("styleCode").lower().split() if word in _COUNTED), "")
    tag: Tag = "ol" if node.get("listType") == "ordered" or counted or node.name == "ol" else "ul"
    telling.page.open(tag, **telling.id_of(node), **({"type": counted} if counted else {}))
    for item in (one for one in node.elements if one.name in ("item", "li")):
        telling.page.open("li", **telling.id_of(item))
        for caption in item.all("caption"):
            telling.page.open("strong")
            tell(caption, telling)
            telling.page.close("strong")
            telling.page.words(" ")
        tell(_without(item, "caption"), telling)
        telling.page.close("li")
    telling.page.close(tag)


def _without(node: Node, name: str) -> Node:
    other = Node(node.name, node.attributes, node.line, node.column)
    other.children = [one for one in node.children if isinstance(one, str) or one.name != name]
    return other


def _table(node: Node, telling: Telling) -> None:
    page = telling.page
    label = node.text_of("caption") or telling.heading or said("table", telling.language)
    # On a narrow screen a wide table scrolls by itself, by keyboard too.
    page.open("div", class_="wide", role="region", tabindex="0", aria_label=label)
    page.open("table", **telling.id_of(node))
    captions = node.all("caption")
    for caption in captions[:1]:
        _element("caption", caption, telling)
    if not captions:
        page.whole("caption", label, class_="hidden")
    parts = [one for one in node.elements if one.name in _PARTS]
    for part in sorted(parts, key=lambda one: list(_PARTS).index(one.name)):
        _PARTS[part.name](part, telling)
    loose = [one for one in node.elements if one.name == "tr"]
    if loose:
        _rows("tbody", loose, telling)
    page.close("table")
    page.close("div")


def _part(tag: Tag, node: Node, telling: Telling) -> None:
    _rows(tag, node.all("tr"), telling)


def _rows(tag: Tag, rows: list[Node], telling: Telling) -> None:
    telling.page.open(tag)
    for row in rows:
        telling.page.open("tr", **telling.id_of(row))
        for number, cell in enumerate(one for one in row.elements if one.name in ("td", "th")):
            _cell(cell, tag == "thead", number == 0, telling)
        telling.page.close("tr")
    telling.page.close(tag)


#: Parts of a table in the order in which HTML has them.
_PARTS: Mapping[str, Callable[[Node, Telling], None]] = {
    "thead": partial(_part, "thead"),
    "tbody": partial(_part, "tbody"),
    "tfoot": partial(_part, "tfoot"),
}


def _cell(cell: Node, is_head: bool, is_first: bool, telling: Telling) -> None:
    # WCAG 1.3.1: what stands in the head names columns, whichever element the document took for it.
    # A header without words names nothing.
    tag: Tag = "th" if (cell.name == "th" or is_head) and cell.text else "td"
    wide, high = _span(cell.get("colspan")), _span(cell.get("rowspan"))
    telling.takes(slots=wide * high)
    attributes = {name: str(size) for name, size in (("colspan", wide), ("rowspan", high)) if size > 1}
    if tag == "th":
        attributes["scope"] = cell.get("scope") or ("col" if is_head or not is_first else "row")
    telling.page.open(tag, **telling.id_of(cell), **attributes)
    _styled(cell, telling)
    telling.page.close(tag)


def _span(text: str) -> int:
    return min(int(text), _WIDEST) if _NUMBER.fullmatch(text) else 1


def _media(node: Node, telling: Telling) -> None:
    caption = node.text_of("caption")
    telling.takes(media=1)
    for name in node.get("referencedObject").split()[:50]:
        file = telling.media.get(name)
        if file is None:
            key = "elsewhere" if name in telling.media else "unread"
            telling.page.whole("p", said(key, telling.language))
        else:
            picture(File(caption or file.label, file.media_type, file.content), telling)


def picture(file: File, telling: Telling) -> None:
    """A picture where it stands, or the name of a file that can be opened."""
    telling.takes(media=1)
    telling.shown += len(file.content)
    if not file.is_picture or telling.shown > MOST_SHOWN:
        telling.offer(file)
        return
    telling.page.open("figure")
    alt = file.label or said("picture", telling.language)
    telling.page.open("img", src=file.address, alt=" ".join(alt.split()))
    if file.label:
        telling.page.whole("figcaption", file.label)
    telling.page.close("figure")


def _nothing(_: Node, __: Telling) -> None:
    """What is shown elsewhere, or nowhere."""


#: Element of the narrative block → what writes it; of any other its text is shown.
_ELEMENTS: Mapping[str, Callable[[Node, Telling], None]] = {
    "b": partial(_element, "strong"),
    "br": _break,
    "caption": _paragraph,
    "col": _nothing,
    "colgroup": _nothing,
    "content": _content,
    "div": _paragraph,
    "em": partial(_element, "em"),
    "footnote": _note,
    "footnoteRef": _note_reference,
    **dict.fromkeys(_HEADINGS, _heading),
    "i": partial(_element, "em"),
    "linkHtml": _link,
    "list": _list,
    "ol": _list,
    "p": _paragraph,
    "paragraph": _paragraph,
    "pre": partial(_element, "pre"),
    "renderMultiMedia": _media,
    "script": _nothing,
    "strong": partial(_element, "strong"),
    "style": _nothing,
    "sub": partial(_element, "sub"),
    "sup": partial(_element, "sup"),
    "table": _table,
    "u": partial(_element, "u"),
    "ul": _list,
}
