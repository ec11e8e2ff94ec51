"""LaTeX that compiles, whatever data sets and errors bring along."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.results import CellRow
from pipeline.tables import build_tables
from pipeline.tables.latex import escape, latex

from .make import ABLATION_EXPECTED, ablation_run, failed, full_run, outcome, row
from .paper_run import EXPECTED as PAPER
from .paper_run import paper_rows

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{amssymb,booktabs,longtable}
\usepackage[landscape,margin=1cm,a3paper]{geometry}
\begin{document}
%s
\end{document}
"""
SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}
HOSTILE = r"""\input{/etc/passwd} 50% of $x_1^2$ & {a} ~b #3 <tag> "q" [z] 日本 naïve — ﬁn"""


def compiled(text: str, folder: Path) -> tuple[Path, str]:
    """The PDF file of a document around `text`, and the log."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("pdflatex is not installed")
    (folder / "page.tex").write_text(DOCUMENT % text, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    return folder / "page.pdf", done.stdout


def test_tables_of_the_paper_profile_compile(tmp_path: Path) -> None:
    names = ("mvtec", "visa", "headct", "isic")
    expected = {name: PAPER[name] for name in names}
    rows = [it for it in paper_rows() if it.dataset in names]
    built = build_tables(outcome(tmp_path / "results", rows, expected, "paper"))
    text = "\n".join(latex(table) for table in built.values())
    pdf, _ = compiled(text, tmp_path)
    assert pdf.stat().st_size > 10_000


def test_hostile_texts_compile_and_do_nothing(tmp_path: Path) -> None:
    rows = [
        *full_run("clip", SHARES)[1:],
        failed("mvtec", "bottle", "clip", HOSTILE),
        *full_run("lab_method", SHARES, title=HOSTILE),
        row("btad", "01", "vand", 0.3),
    ]
    built = build_tables(outcome(tmp_path / "results", rows))
    text = "\n".join(latex(table) for table in built.values())
    assert "\\input" not in text
    compiled(text, tmp_path)


def test_a_minus_is_no_hyphen(tmp_path: Path) -> None:
    rows = ablation_run("", 0.8) + ablation_run("object_aware", 0.9)
    built = build_tables(outcome(tmp_path, rows, ABLATION_EXPECTED))
    assert "VisA & 2 & $-$10.0 & $-$10.0 & $-$10.0 & $-$10.0 \\\\" in latex(built["figure5"])
    assert "& CLIP-AC &" in latex(build_tables(outcome(tmp_path, _methods()))["table1"])


def _methods() -> list[CellRow]:
    return [*full_run("clip", SHARES), *full_run("clip_ac", SHARES), *full_run("vand", SHARES)]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("\\x{}", r"\textbackslash{}x\{\}"),
        ("✗ 90.1–92.0", r"$\times$ 90.1--92.0"),
        ("日é", "?é"),
        ("line\nbreak", "line?break"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped
