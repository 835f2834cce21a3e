"""Every renderer must give a cell back as it was: model output is text and never acts."""

import csv
import html
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.report import html_table, render

PAYLOADS = [
    "plain", "", " ", "  two  spaces  ", "a | b", "||", r"\|", "\\", r"\\", "`code`", "``", "```",
    "<script>alert(1)</script>", "</td></tr></table><h1>x", "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>', "<!-- comment", "]]>", "&lt;b&gt;", "&amp;", "&#124;", "&",
    "[link](javascript:alert(1))", "![i](http://e.x/p.png)", "<http://e.x>", "http://e.x/?a=b&c",
    "www.e.x", "a@e.x", ":tada:", "*bold*", "_em_", "__init__", "~~no~~", "$x^2$", "# head",
    "- item", "1. one", "> quote", "=1+1", "+1", "-1", "@SUM(A1)", "'=1+1", " =1+1", "\t=1+1",
    "=cmd|' /C calc'!A0", "＝1+1", "''=1", "-", "'", "\\end{tabular}", "\\input{/etc/passwd}",
    "100 % of $5 & #1_2^3~4 {x}", "\\\\[2em]", "[x]", "*", "a--b---c", "''quoted``", ",,", "^^41",
    "\r\nSet-Cookie: x", "two\nlines", "\n\nx", "cr\rcr", '"quoted", with comma', ";", "\x00nul",
    "\u202eevil\u202c", "\u2066iso\u2069", "\u200f", "soft\u00adhyphen", "\u200bzero", "\ufeffbom",
    "\u2028line", "\x1b[31mred", "\ud800", "{{ 7*7 }}", "{% raw %}", "नमस्ते क्‍ष", "ሰላም", "שלום",
    "Δ ≥ −1 ± 2 × 3 → …", "–", "x" * 5000]

TEXT = {"key": "text", "label": "Text", "kind": "text"}
WORDS = {"key": "words", "label": "Other", "kind": "text"}


def table(*cells: str) -> render.Table:
    return {"id": "t", "title": "Title", "says": "Says.", "cannot": "Cannot.", "notes": [],
            "columns": [TEXT, WORDS], "rows": [{"text": cell, "words": cell} for cell in cells]}


def from_md(text: str) -> list[list[str]]:
    """Split as GitHub does (at bare pipes, cells trimmed), then decode what stays."""
    rows = []
    for line in text.splitlines()[2:]:
        assert line.startswith("| ") and line.endswith(" |")
        cells = [cell.strip(" ") for cell in line[1:-1].split("|")]
        rows.append([html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell).replace(
            "<br>", "\n")) for cell in cells])
    return rows


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.inside = False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside &= tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def from_html(text: str) -> list[list[str]]:
    parser = Cells()
    parser.feed(str(text))
    parser.close()
    assert parser.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    return parser.rows[1:]


def from_csv(text: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    for cell in (cell for row in rows for cell in row):
        assert not re.match(r"[\s]*[=+\-@＝＋－＠]", cell), "a spreadsheet would run it"
    return [[re.sub(r"^'(?=[\s']*[=+\-@＝＋－＠])", "", cell) for cell in row] for row in rows]


def from_tex(text: str) -> list[list[str]]:
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    back = {code: char for char, code in render._TEX.items()}
    code = re.compile("|".join(re.escape(c) for c in sorted(back, key=len, reverse=True))
                      + r"|([-',])\{\}|\\ ")
    rows = []
    for line in body.splitlines():
        cells = re.split(r"(?<!\\) & ", line.removesuffix(" \\\\"))
        for cell in cells:
            left = code.sub("", cell)
            assert not re.search(r"[\\{}$&#^_~%]", left), f"TeX would act on {left!r}"
        rows.append([code.sub(lambda m: back.get(m[0], " " if m[0] == "\\ " else m[1] or ""), cell)
                     for cell in cells])
    return rows


READ_BACK = {"md": (render.to_md, from_md), "html": (html_table.to_html, from_html),
             "csv": (render.to_csv, from_csv), "tex": (render.to_tex, from_tex)}


@pytest.mark.parametrize("name", READ_BACK)
def test_payloads_come_back_as_text(name):
    write, read = READ_BACK[name]
    expected = [[render.visible(cell)] * 2 for cell in PAYLOADS]
    for cell, want in zip(PAYLOADS, expected, strict=True):  # one at a time, to name the culprit
        assert read(write(table(cell))) == [want], cell[:60]
    assert read(write(table(*PAYLOADS))) == expected


@pytest.mark.parametrize("name", READ_BACK)
@settings(max_examples=150, deadline=None)
@given(cells=st.lists(st.text(max_size=30) | st.text("|\\`<>&*_[]{}$%#^~=+-@'\"\n\r,. aΔ−",
                                                     max_size=12), min_size=1, max_size=3))
def test_any_text_comes_back(name, cells):
    write, read = READ_BACK[name]
    assert read(write(table(*cells))) == [[render.visible(cell)] * 2 for cell in cells]


@pytest.mark.parametrize(("text", "shown"), [
    ("a\u202eb", "aU+202Eb"), ("\u2067x", "U+2067x"), ("\x00", "U+0000"), ("\t", "U+0009"),
    ("\ud83d", "U+D83D"), ("\u2029", "U+2029"), ("a\r\nb\rc", "a\nb\nc"),
    ("\U000e0041", "U+E0041"), ("क्\u200dष", "क्\u200dष")])
def test_hidden_characters_are_spelled_out(text, shown):
    assert render.visible(text) == shown


def test_html_holds_no_element_but_the_tables_own():
    assert "<script" not in html_table.to_html(table(*PAYLOADS))
    assert "<h1" not in html_table.to_html(table(*PAYLOADS))


@pytest.mark.parametrize(("kind", "extra", "value", "shown"), [
    ("float", {}, -1.005, "−1.00"), ("float", {"digits": 1}, 12.34, "12.3"),
    ("float", {"label": "Δ chrF++"}, 1.5, "+1.50"), ("float", {"label": "Δ"}, -0.001, "0.00"),
    ("float", {}, "saturated", "saturated"), ("float", {}, None, "n/a"),
    ("percent", {}, 61.25, "61.2"), ("int", {}, 10000, "10,000"), ("p", {}, 0.04567, "0.046"),
    ("p", {}, 0.00045, "0.0004"), ("p", {}, 3e-9, "<0.0001"), ("p", {}, 1.0, "1.000"),
    ("interval", {}, [-0.3, 2.1], "−0.30 to 2.10"), ("interval", {}, None, "n/a"),
    ("text", {}, ["a", "b"], "a, b"), ("verdict", {}, "better", "better")])
def test_display(kind, extra, value, shown):
    assert render.display({"key": "k", "label": "k", "kind": kind, **extra}, value) == shown


SMALL: render.Table = {
    "id": "t3_mt.xplus-base", "title": "Gains & losses", "says": "What changed.",
    "cannot": "Why.", "notes": [],
    "columns": [{"key": "direction", "label": "Direction", "kind": "text"},
                {"key": "delta", "label": "Δ", "kind": "float", "digits": 1, "unit": "pp"},
                {"key": "ci", "label": "95 % CI", "kind": "interval", "digits": 1},
                {"key": "p", "label": "p", "kind": "p"},
                {"key": "verdict", "label": "Verdict", "kind": "verdict"}],
    "rows": [{"direction": "swh→eng", "delta": 3.14159, "ci": [1.05, 5.23], "p": 0.0001,
              "verdict": "better"},
             {"direction": "eng→swh", "delta": None, "ci": None, "p": None, "verdict": "n/a"}]}


def test_markdown_golden():
    assert render.to_md(SMALL) == (
        "| Direction | Verdict | Δ (pp) | 95 % CI | p |\n"
        "| :-- | :-- | --: | --: | --: |\n"
        "| swh→eng | ▲ better | +3.1 | 1.1 to 5.2 | 0.0001 |\n"
        "| eng→swh | – n/a | n/a | n/a | n/a |\n")


def test_csv_golden_keeps_every_digit():
    assert render.to_csv(SMALL) == (
        "direction,delta,ci_low,ci_high,p,verdict\n"
        "swh→eng,3.14159,1.05,5.23,0.0001,better\n"
        "eng→swh,,,,,n/a\n")


def test_html_golden():
    assert str(html_table.to_html(SMALL)).splitlines()[2] == (
        '<tr><th scope="row" class="text" dir="auto">swh→eng</th><td class="text">'
        '<span class="chip better"><span aria-hidden="true">▲</span> better</span></td>'
        '<td class="num">+3.1</td><td class="num">1.1 to 5.2</td><td class="num">0.0001</td></tr>')


def test_tex_golden():
    assert render.to_tex(SMALL).splitlines()[1:] == [
        r"\begin{table}", r"\caption{Gains \& losses. What changed. Why.}",
        r"\label{tab:t3-mt-xplus-base}", r"\begin{tabular}{lrrrl}", r"\toprule",
        r"Direction & $\Delta$ (pp) & 95 \% CI & p & Verdict \\", r"\midrule",
        r"swh$\rightarrow$eng & +3.1 & 1.1 to 5.2 & 0.0001 & better \\",
        r"eng$\rightarrow$swh & n/a & n/a & n/a & n/a \\", r"\bottomrule",
        r"\end{tabular}", r"\end{table}"]


@pytest.mark.parametrize(("verdict", "sign"), [
    ("better", "▲"), ("worse", "▼"), ("equivalent", "≡"), ("maintained", "◆"),
    ("inconclusive", "○"), ("inconclusive (detectable: 4.1)", "○"), ("n/a", "–"),
    ("n/a (no items)", "–"), ("strange", "")])
def test_verdict_signs(verdict, sign):
    assert render.glyph(verdict) == sign


def test_of_rows_reads_kinds_and_fills_gaps():
    made = render.of_rows("x", "X", "s", "c", [{"a": "t", "b": 1}, {"a": None, "c": 0.5}])
    assert [(column["key"], column["kind"]) for column in made["columns"]] == [
        ("a", "text"), ("b", "int"), ("c", "float")]
    assert render.to_md(made).splitlines()[2:] == ["| t | 1 | n/a |", "| n/a | n/a | 0.50 |"]


def test_a_p_at_the_resolution_of_its_draws_is_an_upper_bound():
    column = {"key": "p", "label": "p", "kind": "p"}
    rows = [{"p": 1 / 10_001, "at_resolution": ["p"]}, {"p": 0.03, "at_resolution": ["other"]},
            {"p": 0.00001}, {"p": 1 / 101, "at_resolution": ["p"]}]
    assert [render.shown(column, row) for row in rows] == [
        "≤ 0.0001", "0.030", "<0.0001", "≤ 0.010"]
