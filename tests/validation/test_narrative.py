"""Narratives are safe XHTML (txt-1) with something in them (txt-2): https://hl7.org/fhir/R4/narrative.html."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.validator import validate

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'


def _keys(div: str) -> list[tuple[str | None, str | None]]:
    tree = {"resourceType": "Basic", "code": {"text": "a"}, "text": {"status": "generated", "div": div}}
    return [(i.key, i.expression) for i in validate(tree)]


@pytest.mark.parametrize(
    "inside",
    [
        "text",
        "<p>a<br/>b &lt; &amp; &#160; c</p>",
        '<table class="grid" border="1"><tr><td colspan="2">a</td></tr></table>',
        '<a href="Patient/1" title="t">a</a>',
        '<a name="x"/>a',
        '<img src="data:image/png;base64,AAAA" alt="a"/>',
        '<img src="#pic"/>',
        '<span style="color: red" xml:lang="fr" lang="fr">é</span>',
        "<!-- a comment -->a",
        "<![CDATA[ a ]]>",
    ],
)
def test_basic_formatting_is_allowed(inside: str):
    assert _keys(DIV % inside) == []


@pytest.mark.parametrize(
    "inside",
    [
        "<script>a</script>",
        "<p onclick='a()'>a</p>",
        "<form>a</form>",
        "<input value='a'/>a",
        "<iframe src='http://x'/>a",
        "<object/>a",
        "<style>a</style>",
        "<link href='x'/>a",
        "<svg/>a",
        '<a href="javascript:a()">a</a>',
        '<a href=" JaVa&#83;cript:a()">a</a>',
        '<a href="data:text/html,a">a</a>',
        '<a href="data:image/svg+xml,a">a</a>',
        '<img src="data:text/html,a"/>',
        '<a href="java&#10;script:a()">a</a>',
        '<a href="java&#9;script&#xA0;:a()">a</a>',
        '<a href="feed:javascript:a()">a</a>',
        '<a href="blob:https://x.example/a">a</a>',
        '<q cite="javascript:a()">a</q>',
        '<p style="width: exp/**/ression(a)">a</p>',
        '<p style="width: \\65xpression(a)">a</p>',
        '<p style="background: url( javascript:a )">a</p>',
        '<p style="-moz-/*b*/binding: url(a)">a</p>',
        '<p style="width: expression(a)">a</p>',
        "<p>a",
        "&nbsp;",
        "<p xmlns='http://other.example'>a</p>",
        "<P>a</P>",
        "<?php a ?>a",
        "a & b",
        "<p class=a>a</p>",
        "<p class='a' class='b'>a</p>",
    ],
)
def test_what_is_active_or_malformed_is_refused(inside: str):
    assert _keys(DIV % inside) == [("txt-1", "Basic.text.div")]


@pytest.mark.parametrize("inside", ["", " \n ", "<p> </p>", "<br/>", "&#32;"])
def test_a_narrative_says_something(inside: str):
    assert _keys(DIV % inside) == [("txt-2", "Basic.text.div")]


@pytest.mark.parametrize(
    "div",
    [
        "<div>a</div>",
        "a",
        '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
        '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml">a</div><div xmlns="http://www.w3.org/1999/xhtml">b</div>',
        '<?xml version="1.0"?><!DOCTYPE div SYSTEM "file:///etc/passwd"><div xmlns="http://www.w3.org/1999/xhtml">a</div>',
    ],
)
def test_the_root_is_one_div_of_xhtml_without_a_document_type(div: str):
    assert _keys(div) == [("txt-1", "Basic.text.div")]


UNSAFE = {"status": "generated", "div": DIV % "<script>a</script>"}


@pytest.mark.parametrize(
    ("tree", "at"),
    [
        (
            {"resourceType": "Basic", "code": {"text": "a"}, "contained": [{"resourceType": "Basic", "id": "b", "text": UNSAFE, "code": {"text": "a"}}], "subject": {"reference": "#b"}},
            "Basic.contained[0].text.div",
        ),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Basic", "code": {"text": "a"}, "text": UNSAFE}}]},
            "Bundle.entry[0].resource.text.div",
        ),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b", "resource": {"resourceType": "Basic", "code": {"text": "a"}, "text": UNSAFE}}]}]},
            "Parameters.parameter[0].part[0].resource.text.div",
        ),
        (
            {"resourceType": "Composition", "section": [{"title": "a", "text": UNSAFE}]},
            "Composition.section[0].text.div",
        ),
    ],
)  # fmt: skip
def test_narratives_are_judged_wherever_they_stand(tree: dict[str, Any], at: str):
    assert ("txt-1", at) in [(i.key, i.expression) for i in validate(tree)]
