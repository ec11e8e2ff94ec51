"""LaTeX with booktabs: floats of one page each that fit a column of any width, to be read by input.

A float is as wide as the text (`table*`, which in a class of one column is `table`), and a grid that is wider
is made smaller. Sections with the same columns share a float as far as a page goes. Of published numbers it
has the value and the verdict; intervals and differences are in the other formats. What a reader of a paper
does not need, such as fingerprints of data, is a comment at the end. Texts come from data sets and errors, so
every letter with a meaning in LaTeX is escaped, one that a plain font lacks becomes a question mark, and a
long word may be broken.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.tables.layout import LINES, NO_DATASET, Footnotes, Grid, Style, lay
from pipeline.tables.model import Section, Table

_LETTERS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "×": r"$\times$",
    "✗": r"$\times$",
    "✓": r"$\checkmark$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "§": r"\textsuperscript{\S}",
    "²": "$^2$",
}
_MINUS: Final = re.compile(r"(?<![\w.-])-(?=\d)")
_PLACE: Final = re.compile(r"^Table \d+\. ")  # LaTeX numbers it
_WORD: Final = 30
"""Letters from which on a word of prose may be broken anywhere."""
_PAGE: Final = 56
"""Rows of a float, which leave room for caption and notes."""
_LINES: Final = ("measured", "published", "verdict")
_NEEDS: Final = r"% Needs \usepackage[T1]{fontenc} and \usepackage{amssymb,booktabs,graphicx}."
_SHRUNK: Final = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def latex(table: Table) -> str:
    """The whole file of `table`."""
    grids, footnotes = lay(table, _style())
    floats = list(_floats([it for it in zip(table.sections, grids, strict=True) if it[1]]))
    lines = [_NEEDS]
    for number, parts in enumerate(floats, 1):
        lines += [r"\begin{table*}[tp]", r"\centering\scriptsize\setlength{\tabcolsep}{3pt}"]
        lines += [*_caption(table, number), r"\smallskip"]
        lines += _tabular(parts) if parts else [escape(NO_DATASET)]
        lines += _notes(table, footnotes) if number == len(floats) else []
        lines += [r"\end{table*}"]
    return "\n".join([*lines, *(f"% {_plain(line)}" for line in table.provenance)]) + "\n"


def escape(text: str) -> str:
    """`text` without anything that LaTeX would act on or could not print."""
    return "".join(
        _LETTERS.get(letter, letter if " " <= letter <= "~" else _other(letter)) for letter in text
    )


def _style() -> Style:
    return Style(lambda text: rf"\textbf{{{text}}}", lambda text: rf"\textit{{{text}}}", escape, lines=_LINES)


def _prose(line: str) -> str:
    """A line of ours, what stands between backticks as code."""
    texts = [_breakable(text) for text in re.split("`([^`]+)`", line)]
    return "".join(rf"\texttt{{{text}}}" if place % 2 else text for place, text in enumerate(texts))


def _breakable(text: str) -> str:
    """`text` escaped, with leave to break long words."""
    return " ".join(
        escape(word) if len(word) < _WORD else r"\allowbreak{}".join(map(escape, word))
        for word in text.split(" ")
    )


def _plain(line: str) -> str:
    """A line of a comment."""
    return "".join(letter if " " <= letter <= "~" else _other(letter) for letter in line)


def _other(letter: str) -> str:
    """ISO Latin-1 letters are in every T1 font."""
    return letter if "¡" <= letter <= "ÿ" else "?"


def _floats(sections: Sequence[tuple[Section, Grid]]) -> Iterator[list[tuple[Section, Grid]]]:
    """What stands in each float: parts of sections, each with its header; one that is empty for none."""
    parts = [
        (section, [rows[0], *rows[start : start + _PAGE]])
        for section, rows in sections
        for start in range(1, len(rows), _PAGE)
    ]
    own: list[tuple[Section, Grid]] = []
    for section, rows in parts:
        used = sum(len(others) for _, others in own)
        if own and (used + len(rows) > _PAGE + 1 or own[0][1][0] != rows[0]):
            yield own
            own = []
        own.append((section, rows))
    yield own


def _caption(table: Table, number: int) -> list[str]:
    title = _PLACE.sub("", table.title)
    label = table.name.replace("/", "-")
    if number > 1:
        return [rf"\caption{{{_prose(title)}, continued.}}", rf"\label{{tab:{label}-{number}}}"]
    marks = "".join(rf" \textbf{{{_prose(mark)}}}" for mark in table.outcome.marks(short=True))
    return [rf"\caption{{{_prose(title)}.{marks}}}", rf"\label{{tab:{label}}}"]


def _tabular(parts: Sequence[tuple[Section, Grid]]) -> Iterator[str]:
    section, rows = parts[0]
    columns = "".join("l" if left else "r" for left in section.left)
    yield from (_SHRUNK, rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", _line(rows[0]))
    for section, rows in parts:
        yield r"\midrule"
        if section.title:
            told = "; ".join((section.title, *section.remarks))
            yield rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{\textit{{{escape(told)}}}}} \\"
        yield from _lines(section, rows[1:])
    yield from (r"\bottomrule", r"\end{tabular}}")


def _lines(section: Section, rows: Grid) -> Iterator[str]:
    """The rows, with a gap before each that takes several lines."""
    for place, row in enumerate(rows):
        if section.compared and place and row[section.labels] == LINES[0]:
            yield r"\addlinespace"
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    """A row; `{}` keeps a first cell from being read as an argument of the line break before it."""
    return f"{{}}{_MINUS.sub('$-$', ' & '.join(cells))} \\\\"


def _notes(table: Table, footnotes: Sequence[Footnotes]) -> Iterator[str]:
    """What stands below the last float, as wide as the text."""
    short = table.outcome.marks(short=True)  # stand in the caption
    left = [mark for mark in table.outcome.marks() if mark not in short]
    reasons = [f"Without a result: {mark.partition('. ')[2]}" for mark in left]
    lines = [*reasons, *table.lead, *table.legend]
    lines += [" ".join((notes.title, *notes.lines())) for notes in footnotes]
    if lines:
        yield r"\par\smallskip\begin{minipage}{\linewidth}\raggedright\scriptsize"
        yield from (rf"{_prose(line)}\par" for line in lines)
        yield r"\end{minipage}"
