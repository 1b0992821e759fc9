"""What a browser would find in HTML, by a reader that knows nothing of how the server wrote it."""

from __future__ import annotations

from html.parser import HTMLParser

_EMPTY = {"br", "img"}


class Read(HTMLParser):
    """What a browser would find: elements with their attributes, whether they are nested rightly, and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.others = 0
        self._open: list[str] = []
        self.feed(str(html))
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, _: str) -> None:
        self.others += 1

    def handle_decl(self, _: str) -> None:
        self.others += 1

    def handle_pi(self, _: str) -> None:
        self.others += 1

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]
