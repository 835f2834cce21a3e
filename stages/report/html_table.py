"""A table of ``render`` as HTML. Apart, since `verify` renders the others without markupsafe."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from .render import Column, Table, glyph, heading, is_text, shown, verdict_second, visible


def html_text(text: str) -> Markup:
    """Escape for HTML, as element content or as a quoted attribute value."""
    return escape(visible(text))


def to_html(table: Table) -> Markup:
    """A <table>; the first column is the row's heading, verdicts are chips."""
    def cell(column: Column, row: dict[str, Any]) -> Markup:
        text, value = html_text(shown(column, row)), row.get(column["key"])
        if column["kind"] == "verdict" and value:
            return Markup('<span class="chip {}"><span aria-hidden="true">{}</span> {}</span>'
                          ).format(re.sub(r"\W", "", str(value).split(" ")[0]), glyph(value), text)
        return text

    def kind(column: Column, value: Any = "") -> str:
        return ("text" if is_text(column) else "num") + (" na" if value is None else "")

    columns = verdict_second(table)
    heads = Markup("").join(Markup('<th scope="col" class="{}">{}</th>').format(
        kind(column), html_text(heading(column))) for column in columns)
    body = Markup("")
    for row in table["rows"]:
        body += Markup('<tr class="rule">' if row.get("set_off") else "<tr>")
        for position, column in enumerate(columns):
            value = row.get(column["key"])
            tag = Markup('th scope="row"' if position == 0 else "td")
            direction = Markup(' dir="auto"' if column["kind"] == "text" else "")
            body += Markup('<{} class="{}"{}>{}</{}>').format(
                tag, kind(column, value), direction, cell(column, row), tag[:2])
        body += Markup("</tr>\n")
    return Markup("<table><thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table>\n").format(
        heads, body)
