"""What a machine can tell of a page's accessibility without a browser: RGAA 4.1, WCAG 2.1 AA."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx
from lxml import html

#: Fields that a person fills in.
FIELDS = "//input[not(@type='hidden')] | //select | //textarea"


def document(answer: httpx.Response, status: int = 200) -> Any:
    """The page, checked."""
    assert answer.status_code == status, answer.text[:2000]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    found = html.document_fromstring(answer.text)
    check(found)
    return found


def check(page: Any) -> None:
    """Language, title, landmarks, one h1, labels, errors tied to fields, table headers, unique ids, nothing inline."""
    assert page.get("lang") in ("fr", "en")
    assert page.findtext(".//title").strip()
    assert len(page.findall(".//h1")) == 1
    assert [len(page.findall(f".//{name}")) for name in ("header", "main", "footer")] == [1, 1, 1]
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), ids
    for field in page.xpath(FIELDS):
        assert page.xpath(f"//label[@for='{field.get('id')}']"), html.tostring(field)
    for named in page.xpath("//*[@aria-describedby or @aria-labelledby]"):
        for attribute in ("aria-describedby", "aria-labelledby"):
            assert set((named.get(attribute) or "").split()) <= set(ids), html.tostring(named)
    for field in page.xpath("//*[@aria-invalid='true']"):
        assert "-error" in field.get("aria-describedby")
    for group in page.xpath("//input[@type='radio'] | //input[@type='checkbox']"):
        assert group.xpath("ancestor::fieldset/legend"), html.tostring(group)
    for table in page.findall(".//table"):
        assert table.find("caption") is not None
        assert table.xpath(".//thead//th[@scope='col']")
    for nav in page.findall(".//nav"):
        assert nav.get("aria-label") or nav.get("aria-labelledby")
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1|//h2|//h3|//h4")]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels)), levels
    assert not page.xpath("//script[not(@src)] | //style | //*[@style] | //@*[starts-with(name(), 'on')]")
    for form in page.xpath("//form[@method='post']"):
        assert form.xpath("./input[@name='word']/@value"), html.tostring(form)


def said(page: Any) -> str:
    """The words of the main part, spaces made single."""
    return " ".join(page.find(".//main").text_content().split())


def errors(page: Any) -> dict[str, str]:
    """Field → the error tied to it."""
    return {
        field.get("name"): page.get_element_by_id(field.get("aria-describedby").split()[-1]).text_content()
        for field in page.xpath("//*[@aria-invalid='true']")
    }
