"""LaTeX with booktabs: one `longtable` for each section, to be read by input.

The file says on top which packages it needs. Texts come from data sets and errors, so every letter with a
meaning in LaTeX is escaped, and one that a plain font lacks becomes a question mark.
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
    "²": "$^2$",
}
_MINUS: Final = re.compile(r"(?<![\w.-])-(?=\d)")
_NEEDS: Final = (
    r"% Needs \usepackage[T1]{fontenc} and \usepackage{amssymb,booktabs,longtable}, a wide page and two runs."
)


def latex(table: Table) -> str:
    """The whole file of `table`."""
    grids, footnotes = lay(table, _style())
    lines = [_NEEDS, r"\begingroup\scriptsize\setlength{\tabcolsep}{3pt}"]
    lines += [rf"\noindent\textbf{{{escape(mark)}}}\par" for mark in table.outcome.marks()]
    lines += [rf"\noindent {_prose(line)}\par" for line in table.lead]
    for section, rows in zip(table.sections, grids, strict=True):
        lines += _section(table, section, rows)
    lines += [rf"\noindent {_prose(line)}\par" for line in table.legend]
    lines += [line for notes in footnotes for line in _notes(notes)]
    return "\n".join([*lines, r"\endgroup"]) + "\n"


def escape(text: str) -> str:
    """`text` without anything that LaTeX would act on or could not print."""
    return "".join(
        _LETTERS.get(letter, letter if " " <= letter <= "~" else _other(letter)) for letter in text
    )


def _style() -> Style:
    return Style(lambda text: rf"\textbf{{{text}}}", lambda text: rf"\textit{{{text}}}", escape)


def _prose(line: str) -> str:
    """A line of ours, what stands between backticks as code."""
    return re.sub("`([^`]+)`", lambda code: rf"\texttt{{{code[1]}}}", escape(line))


def _other(letter: str) -> str:
    """ISO Latin-1 letters are in every T1 font."""
    return letter if "¡" <= letter <= "ÿ" else "?"


def _section(table: Table, section: Section, rows: Grid) -> list[str]:
    title = ": ".join(escape(text) for text in (table.title, section.title) if text)
    if not rows:
        return [rf"\noindent\textbf{{{title}}}\par", rf"\noindent {escape(NO_DATASET)}\par"]
    remarks = [rf"\noindent {escape(line)}\par" for line in section.remarks]
    columns = "".join("l" if left else "r" for left in section.left)
    return [
        *remarks,
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{\normalsize {title}}} \\",
        r"\toprule",
        _line(rows[0]),
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *_lines(section, rows[1:]),
        r"\end{longtable}",
    ]


def _lines(section: Section, rows: Grid) -> Iterator[str]:
    """The rows, with a gap before each that takes several lines."""
    for place, row in enumerate(rows):
        if section.compared and place and row[section.labels] == LINES[0]:
            yield r"\addlinespace"
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    """A row; `{}` keeps a first cell from being read as an argument of the line break before it."""
    return f"{{}}{_MINUS.sub('$-$', ' & '.join(cells))} \\\\"


def _notes(notes: Footnotes) -> list[str]:
    return [rf"\noindent {escape(line)}\par" for line in (notes.title, *notes.lines())]
