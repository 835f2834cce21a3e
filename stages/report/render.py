"""One table model, four renderers: Markdown, CSV and LaTeX (booktabs); HTML: ``html_table``.

in   a table as `significance` writes it: {"id", "title", "says", "cannot", "notes": [text],
     "columns": [{"key", "label", "kind", "digits"?, "unit"?, "help"?}], "rows": [{key: value}]}
     kind: text, int, float, percent (0-100), p, interval ([low, high]) or verdict.
     Values are raw and unrounded; None means "not applicable". In HTML, a row with a true
     "set_off" is set off from those above it.
out  text. Markdown, HTML and LaTeX show rounded values; CSV keeps every digit.

Cells carry the output of language models, so nothing in a cell may act: each renderer escapes
what its format gives a meaning to, and the text can be read back unchanged. Characters that
change how *other* text looks (bidi controls, invisible ones) are spelled out as ``U+202E``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from typing import Any

Table = dict[str, Any]
Column = dict[str, Any]

NA = "n/a"
# Glyph and word together: a verdict stays readable without colour.
GLYPHS = {"better": "▲", "worse": "▼", "equivalent": "≡", "maintained": "◆",
          "inconclusive": "○", "cannot show harm": "–", NA: "–"}
_JOINERS = "\u200c\u200d"  # zero-width, but they spell words in Indic and Arabic scripts
_FORMULA = re.compile(r"^[\s']*[=+\-@＝＋－＠]")
_PUNCTUATION = {"|": "&#124;", "\\": "&#92;", "`": "&#96;", "$": "&#36;", "<": "&lt;",
                ">": "&gt;", "&": "&amp;", "\n": "<br>"}
_MARKDOWN = re.compile(r"[|\\`$<>&\n]|[*_\[\]{}!~#@^]|:(?=\S)|(?<=[wW]{3})\.|^ | $")
_TEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
        "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}", "[": "{[}", "*": "{*}", "\n": r"\newline{}",
        "Δ": r"$\Delta$", "δ": r"$\delta$", "ρ": r"$\rho$",
        "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$",
        "→": r"$\rightarrow$", "←": r"$\leftarrow$", "…": r"\dots{}", "–": r"\textendash{}"}
# Also: spaces that TeX would drop, and doubled characters that it would join to another one.
_TEX_SPECIAL = re.compile("[" + re.escape("".join(_TEX)) + r"]|^ | $|(?<= ) |([-',])(?=\1)")


def visible(text: str) -> str:
    """Spell out control, format and surrogate characters; newlines become ``\\n``."""
    def show(char: str) -> str:
        hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        return f"U+{ord(char):04X}" if hidden and char not in _JOINERS + "\n" else char

    return "".join(map(show, text.replace("\r\n", "\n").replace("\r", "\n")))


def md_text(text: str) -> str:
    """Escape for GitHub Markdown, inside a table cell or a paragraph."""
    return _MARKDOWN.sub(lambda match: _PUNCTUATION.get(
        match[0], "&#32;" if match[0] == " " else "\\" + match[0]), visible(text))


def csv_text(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula (OWASP, CSV injection).

    Reading back: drop one leading apostrophe where the rest still looks like a formula.
    """
    text = visible(text)
    return "'" + text if _FORMULA.match(text) else text


def tex_text(text: str) -> str:
    """Escape for LaTeX with T1 or Unicode fonts."""
    return _TEX_SPECIAL.sub(lambda match: _TEX.get(
        match[0], "\\ " if match[0] == " " else match[0] + "{}"), visible(text))


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """Fixed-point text with a true minus sign; what rounds to zero has no sign."""
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    if not any(char in "123456789" for char in text):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def p_value(value: float, at_most: bool = False) -> str:
    """A p-value to three decimals, four below 0.001, and never 0; ``at_most``: the smallest that
    its draws could give."""
    if value < 0.0001 and not at_most:
        return "<0.0001"
    shown = f"{value:.3f}" if value >= 0.001 else f"{max(value, 0.0001):.4f}"
    return f"≤ {shown}" if at_most else shown


def shown(column: Column, row: dict[str, Any]) -> str:
    """The plain text of a row's cell."""
    value = row.get(column["key"])
    if column["kind"] == "p" and value is not None:
        return p_value(value, column["key"] in row.get("at_resolution", ()))
    return display(column, value)


def display(column: Column, value: Any) -> str:
    """The plain text of a value, rounded as its column says."""
    if value is None:
        return NA
    if isinstance(value, str):  # also a word in a column of numbers, such as "saturated"
        return value
    kind, digits = column["kind"], column.get("digits")
    if kind == "int":
        return number(value, 0)
    if kind in ("float", "percent"):
        default = 1 if kind == "percent" else 2
        return number(value, default if digits is None else digits,
                      column["label"].startswith("Δ"))
    if kind == "p":
        return p_value(value)
    if kind == "interval":
        low, high = (NA if end is None else number(end, 2 if digits is None else digits)
                     for end in value)
        return f"{low} to {high}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def heading(column: Column) -> str:
    """Label and unit; the unit is left out where the label already says it."""
    unit = column.get("unit")
    return f"{column['label']} ({unit})" if unit and unit not in column["label"] \
        else str(column["label"])


def is_text(column: Column) -> bool:
    """Text and verdicts align left; numbers align right."""
    return column["kind"] in ("text", "verdict")


def verdict_second(table: Table) -> list[Column]:
    """The columns, the verdict moved next to the row's name: wide tables are cut off on the right.

    For reading only; CSV and LaTeX keep the declared order.
    """
    first, *rest = table["columns"]
    return [first, *sorted(rest, key=lambda column: column["kind"] != "verdict")]


def _grid(table: Table, columns: list[Column], cell: Callable[[Column, dict[str, Any]], str],
          ) -> list[list[str]]:
    return [[cell(column, row) for column in columns] for row in table["rows"]]


def glyph(verdict: str) -> str:
    """The sign of a verdict; a verdict may go on after its word, as in ``n/a (no items)``."""
    return GLYPHS.get(verdict) or GLYPHS.get(verdict.split(" ")[0].rstrip(":,;"), "")


def to_md(table: Table) -> str:
    """A GitHub Markdown pipe table."""
    def cell(column: Column, row: dict[str, Any]) -> str:
        text = md_text(shown(column, row))
        return f"{glyph(row[column['key']])} {text}".strip() if column["kind"] == "verdict" \
            and row.get(column["key"]) else text

    columns = verdict_second(table)
    lines = [[md_text(heading(column)) for column in columns],
             [":--" if is_text(column) else "--:" for column in columns],
             *_grid(table, columns, cell)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def to_csv(table: Table) -> str:
    """Raw values under the columns' keys; an interval takes two columns, None is empty."""
    def cells(column: Column, value: Any) -> list[Any]:
        if column["kind"] == "interval":
            return list(value or (None, None))
        if value is None or isinstance(value, int | float):
            return [value]
        return [csv_text(display(column, value))]

    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow([name for column in table["columns"] for name in (
        [f"{column['key']}_low", f"{column['key']}_high"] if column["kind"] == "interval"
        else [csv_text(column["key"])])])
    for row in table["rows"]:
        write.writerow([value for column in table["columns"]
                        for value in cells(column, row.get(column["key"]))])
    return out.getvalue()


def to_tex(table: Table) -> str:
    """A booktabs table float; wide tables want ``\\resizebox`` or a landscape page."""
    columns = table["columns"]
    rows = [[tex_text(heading(column)) for column in columns],
            *_grid(table, columns, lambda column, row: tex_text(shown(column, row)))]
    lines = [" & ".join(row) + " \\\\\n" for row in rows]
    label = re.sub(r"[^A-Za-z0-9]", "-", table["id"])
    return ("% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc} or a Unicode engine\n"
            "\\begin{table}\n"
            f"\\caption{{{tex_text(table['title'])}. {tex_text(table['says'])} "
            f"{tex_text(table['cannot'])}}}\n\\label{{tab:{label}}}\n"
            f"\\begin{{tabular}}{{{''.join('l' if is_text(c) else 'r' for c in columns)}}}\n"
            f"\\toprule\n{lines[0]}\\midrule\n{''.join(lines[1:])}\\bottomrule\n"
            "\\end{tabular}\n\\end{table}\n")


def kind_of(key: str, value: Any) -> str:
    """The kind of a column by one of its values; a key that ends in % holds 0-100."""
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "percent" if key.endswith("%") else "float"
    return "text"


def of_rows(name: str, title: str, says: str, cannot: str, rows: list[dict[str, Any]]) -> Table:
    """A table whose columns are the keys of the rows, texts first."""
    columns = []
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if row.get(key) is not None]
        columns.append({"key": key, "label": key.replace("_", " "),
                        "kind": kind_of(key, values[0] if values else "")})
    columns.sort(key=lambda column: column["kind"] != "text")
    return {"id": name, "title": title, "says": says, "cannot": cannot, "rows": rows, "notes": [],
            "columns": columns}
