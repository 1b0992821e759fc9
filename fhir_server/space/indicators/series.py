"""The table of an indicator as a file of comma-separated values. https://www.rfc-editor.org/rfc/rfc4180"""

from __future__ import annotations

import csv
import io

from fhir_server.site.words import Language
from fhir_server.space.indicators.pages.words import called
from fhir_server.space.indicators.tables import Table


def as_csv(table: Table, language: Language) -> str:
    """A line for each cell, totals too; what is not shown has no value, and says so in its last column."""
    out = io.StringIO()
    lines = csv.writer(out)
    one, at = table.indicator, 0 if language == "fr" else 1
    lines.writerow(
        ("indicator", "first", "last", "row", "row_name", "column", "column_name", "value", "unit", "hidden")
    )
    for row in table.lines:
        for column in table.heads:
            value = table.values[row, column]
            names = (row, called(one.rows, row, language), column, called(one.columns, column, language))
            shown = ("" if value is None else value, one.unit[at], "true" if value is None else "false")
            lines.writerow((one.code, table.first, table.last, *names, *shown))
    return out.getvalue()
