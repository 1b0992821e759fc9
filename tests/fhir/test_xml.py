"""FHIR XML: https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/json.html#primitive, https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Issue, Malformed
from fhir_server.fhir.xml import positions, to_json, to_xml
from tests.examples import examples_folder

NS = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


def patient(inner: str, attributes: str = NS) -> bytes:
    return f"<Patient {attributes}>{inner}</Patient>".encode()


def refused(xml: bytes, **limits: int) -> list[Issue]:
    with pytest.raises(Malformed) as error:
        to_json(xml, **limits)
    assert error.value.status == 400
    return list(error.value.issues)


@pytest.mark.skipif(examples_folder() is None, reason="the published R4 examples are not at hand")
def test_every_published_example_survives_json_to_xml_to_json() -> None:
    folder = examples_folder()
    assert folder is not None
    # The Bundles of definitions repeat the single files at fifty times their size.
    files = [path for path in sorted(folder.glob("*.json")) if path.stat().st_size < 400_000]
    unequal = []
    for path in files:
        body = path.read_bytes()
        if b'"resourceType"' in body and _literal(to_json(to_xml(body))) != _literal(body):
            unequal.append(path.name)
    assert len(files) > 5000
    assert unequal == []


def _literal(body: bytes) -> object:
    """The tree with every number as it was written: 1.10 is not 1.1."""
    return json.loads(body, parse_float=lambda digits: Decimal(digits).as_tuple())


@pytest.mark.parametrize(
    ("json_text", "xml"),
    [
        pytest.param('{"active":true}', '<active value="true"/>', id="boolean"),
        pytest.param(
            '{"birthDate":"1970","_birthDate":{"id":"b","extension":[{"url":"u","valueCode":"c"}]}}',
            '<birthDate id="b" value="1970"><extension url="u"><valueCode value="c"/></extension></birthDate>',
            id="a primitive with id and extension",
        ),
        pytest.param(
            '{"_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}}',
            '<birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>',
            id="a primitive with only an extension",
        ),
        pytest.param(
            '{"name":[{"given":["A",null,"B"],"_given":[null,{"id":"x"},null]}]}',
            '<name><given value="A"/><given id="x"/><given value="B"/></name>',
            id="null-padded arrays",
        ),
        pytest.param(
            '{"name":[{"_given":[{"id":"x"}]}]}',
            '<name><given id="x"/></name>',
            id="an array of primitives without any value",
        ),
        pytest.param(
            '{"name":[{"id":"n","family":"É & <É> \\"É\\"\\n"}]}',
            '<name id="n"><family value="É &amp; &lt;É&gt; &quot;É&quot;&#10;"/></name>',
            id="escapes",
        ),
        pytest.param(
            '{"contained":[{"resourceType":"Organization","id":"o"}]}',
            '<contained><Organization><id value="o"/></Organization></contained>',
            id="contained",
        ),
        pytest.param(
            '{"extension":[{"url":"u","valueDecimal":1.10}]}',
            '<extension url="u"><valueDecimal value="1.10"/></extension>',
            id="decimal digits",
        ),
        pytest.param(
            '{"extension":[{"url":"u","valueDecimal":1.0E+2}]}',
            '<extension url="u"><valueDecimal value="1.0E+2"/></extension>',
            id="decimal exponent",
        ),
        pytest.param(
            '{"extension":[{"url":"u","valueDecimal":0.0000000000000000000000000000001000}]}',
            '<extension url="u"><valueDecimal value="0.0000000000000000000000000000001000"/></extension>',
            id="a decimal no double holds",
        ),
        pytest.param(
            '{"text":{"status":"generated","div":"'
            + DIV.replace('"', '\\"')
            + " a &lt;<br/><!-- c --><b class='x'>é</b></div>\"}}",
            f"<text><status value=\"generated\"/>{DIV} a &lt;<br/><!-- c --><b class='x'>é</b></div></text>",
            id="narrative as it is",
        ),
    ],
)
def test_xml_and_json_say_the_same(json_text: str, xml: str) -> None:
    json_body = b'{"resourceType":"Patient",' + json_text[1:].encode()
    assert to_xml(json_body) == b'<?xml version="1.0" encoding="UTF-8"?>' + patient(xml)
    assert to_json(patient(xml)).decode() == json_body.decode()


def test_elements_are_written_in_the_order_of_the_definition_and_read_in_any() -> None:
    """xml.html: the order of the elements is the order of the definition."""
    body = b'{"gender":"female","resourceType":"Patient","active":true,"id":"1"}'
    assert to_xml(body).endswith(
        b'<Patient xmlns="http://hl7.org/fhir"><id value="1"/><active value="true"/><gender value="female"/></Patient>'
    )
    assert json.loads(to_json(patient('<gender value="female"/><id value="1"/>'))) == {
        "resourceType": "Patient",
        "gender": "female",
        "id": "1",
    }


def test_pretty_xml_reads_back_the_same() -> None:
    body = b'{"resourceType":"Patient","name":[{"given":["A","B"]}],"text":{"status":"empty","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">a <b>b</b></div>"}}'
    pretty = to_xml(body, pretty=True)
    assert b'\n    <given value="A"/>\n' in pretty
    assert json.loads(to_json(pretty)) == json.loads(body)


def test_comments_instructions_and_schema_locations_are_dropped() -> None:
    xml = b'<?xml version="1.0" encoding="UTF-8"?><?php evil() ?><!-- c -->' + patient(
        '<!-- c --><?x y?><id value="1"/>',
        NS + ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir ../p.xsd"',
    )
    assert to_json(xml) == b'{"resourceType":"Patient","id":"1"}'


def test_a_prefix_may_stand_for_the_namespaces() -> None:
    xml = (
        b'<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text>'
        b'<f:status value="empty"/><h:div>a<h:b title="t">b</h:b>&#160;</h:div></f:text></f:Patient>'
    )
    assert json.loads(to_json(xml))["text"]["div"] == DIV + 'a<b title="t">b</b>\u00a0</div>'


@pytest.mark.parametrize(
    ("inner", "div"),
    [
        ("<p>a<![CDATA[<script>]]></p>", "<p>a&lt;script&gt;</p>"),
        ("<p>a<?php x ?></p>", "<p>a</p>"),
        ("<p>a\r\nb</p>", "<p>a\nb</p>"),
    ],
)
def test_a_narrative_that_cannot_stand_alone_is_written_anew(inner: str, div: str) -> None:
    other = f'<contained><Basic><text><status value="empty"/>{DIV}first</div></text></Basic></contained>'
    xml = patient(f'{other}<text><status value="empty"/>{DIV}{inner}</div></text>')
    assert json.loads(to_json(xml))["text"]["div"] == f"{DIV}{div}</div>"


BOMB = (
    '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'
)
XXE = '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        pytest.param(BOMB.encode() + patient('<id value="&c;"/>'), "document type", id="billion laughs"),
        pytest.param(XXE.encode() + patient('<id value="&x;"/>'), "document type", id="external entity"),
        pytest.param(b'<!DOCTYPE p SYSTEM "http://x/p.dtd">' + patient(""), "document type", id="external subset"),
        pytest.param(patient('<id value="&nbsp;"/>'), "undefined entity", id="an HTML entity"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-16"?>' + patient(""), "UTF-8", id="declared UTF-16"),
        pytest.param(patient("").decode().encode("utf-16"), "Not XML", id="UTF-16"),
        pytest.param(patient('<id value="\x00"/>'), "Not XML", id="NUL"),
        pytest.param(patient('<id value="&#0;"/>'), "Not XML", id="NUL reference"),
        pytest.param(patient('<id value="&#xD800;"/>'), "Not XML", id="surrogate reference"),
        pytest.param(b"", "Not XML", id="empty"),
        pytest.param(b'{"resourceType":"Patient"}', "Not XML", id="JSON"),
        pytest.param(b"<Patient/>", "namespace", id="no namespace"),
        pytest.param(patient("", 'xmlns="http://hl7.org/fhir/"'), "namespace", id="another namespace"),
        pytest.param(f"<Patent {NS}/>".encode(), "Patent", id="no such type"),
        pytest.param(f"<DomainResource {NS}/>".encode(), "DomainResource", id="abstract type"),
        pytest.param(f"<HumanName {NS}/>".encode(), "HumanName", id="a datatype"),
        pytest.param(patient("<nme/>"), "nme", id="unknown element"),
        pytest.param(patient('<id xmlns="urn:x" value="1"/>'), "namespace", id="element of another namespace"),
        pytest.param(patient('<id value="1" valeu="1"/>'), "valeu", id="unknown attribute"),
        pytest.param(patient('<name value="1"><text value="a"/></name>'), "value", id="a value on a complex type"),
        pytest.param(patient("", NS + ' id="1"'), "id", id="the id of a resource as an attribute"),
        pytest.param(patient("<id>1</id>"), "Text", id="text for a value"),
        pytest.param(patient('<id value="1"/><id value="2"/>'), "twice", id="twice"),
        pytest.param(patient("<gender/>"), "neither", id="empty primitive"),
        pytest.param(patient("<name/>"), "empty", id="empty complex"),
        pytest.param(patient("<contained/>"), "empty", id="empty contained"),
        pytest.param(patient('<active value="1"/>'), "true nor false", id="not a boolean"),
        pytest.param(patient('<multipleBirthInteger value="01"/>'), "number", id="leading zero"),
        pytest.param(patient('<multipleBirthInteger value="NaN"/>'), "number", id="NaN"),
        pytest.param(patient(f"<contained><Group/><Group {NS}/></contained>"), "second", id="two contained in one"),
    ],
)
def test_what_is_not_fhir_xml_is_refused_with_its_place(xml: bytes, words: str) -> None:
    issue = refused(xml)[0]
    assert words in issue.diagnostics
    assert issue.line == 1
    assert issue.column is not None
    assert issue.column >= 1


def test_every_issue_is_reported_with_line_column_and_expression() -> None:
    issues = refused(patient('\n <name>\n  <family value="A"/>\n  <giben value="B"/>\n </name>\n <sex value="f"/>'))
    assert [(i.line, i.column, i.expression) for i in issues] == [(4, 3, "Patient.name[0]"), (6, 2, "Patient")]


def test_depth_is_limited_in_resources_and_in_narratives() -> None:
    nested = "<contact>" + '<extension url="u">' * 200 + "</extension>" * 200 + "</contact>"
    assert refused(patient(nested))[0].code == "too-costly"
    div = f'<text><status value="empty"/>{DIV}{"<b>" * 5000}{"</b>" * 5000}</div></text>'
    assert refused(patient(div))[0].code == "too-costly"
    deep = b'{"resourceType":"Basic","extension":' + b'[{"url":"u","extension":' * 500 + b"[]" + b"}]" * 500 + b"}"
    with pytest.raises(Malformed):
        to_xml(deep)


def test_a_flood_of_errors_stops_the_reading() -> None:
    assert len(refused(patient("<x/>" * 100_000))) == 50


def test_positions_name_each_element_by_its_path() -> None:
    places = positions(
        patient('\n<name><given value="A"/>\n<given value="B"/></name>\n<deceasedBoolean value="true"/>')
    )
    assert places["Patient"] == (1, 1)
    assert places["Patient.name[0]"] == (2, 1)
    assert places["Patient.name[0].given[1]"] == (3, 1)
    assert places["Patient.deceased"] == places["Patient.deceasedBoolean"] == (4, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"resourceType":5}',
        b'{"resourceType":"Nope"}',
        b'{"resourceType":"Patient","nope":1}',
        b'{"resourceType":"Patient","active":"true"}',
        b'{"resourceType":"Patient","active":1}',
        b'{"resourceType":"Patient","gender":true}',
        b'{"resourceType":"Patient","gender":1.5}',
        b'{"resourceType":"Patient","multipleBirthInteger":true}',
        b'{"resourceType":"Patient","name":{}}',
        b'{"resourceType":"Patient","name":["a"]}',
        b'{"resourceType":"Patient","name":[{"given":[null]}]}',
        b'{"resourceType":"Patient","_gender":"a"}',
        b'{"resourceType":"Patient","id":"\\u0001"}',
        b'{"resourceType":"Patient","contained":[1]}',
        b'{"resourceType":"Patient","extension":[{"url":1}]}',
        b'{"resourceType":"Patient","text":{"div":1}}',
        b'{"resourceType":"Patient","text":{"div":"a"}}',
        b'{"resourceType":"Patient","text":{"div":"<p/>"}}',
        b'{"resourceType":"Patient","text":{"div":"<div>&nbsp;</div>"}}',
        b'{"resourceType":"Patient","text":{"div":"<!DOCTYPE a><div/>"}}',
        b'{"resourceType":"Patient","text":{"div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"/></text>"}}',
    ],
)
def test_json_that_is_not_of_its_type_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        to_xml(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with pytest.raises(FhirError):
        to_json(body)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_any_text_survives(text: str) -> None:
    body = json.dumps({"resourceType": "Basic", "language": text}).encode()
    assert json.loads(to_json(to_xml(body))) == json.loads(body)


def test_what_is_read_from_xml_is_accepted_as_json() -> None:
    body = to_json(patient('<extension url="u"><valueDecimal value="1.10"/></extension>'))
    assert parse(body)["extension"][0]["valueDecimal"] == Decimal("1.10")
