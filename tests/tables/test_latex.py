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

# One column of 5.5 inch, as ICLR and NeurIPS have it, and two columns, as CVPR has them.
PAGES = {
    "one column": (r"\documentclass{article}", "letterpaper,textwidth=5.5in,textheight=9in"),
    "two columns": (
        r"\documentclass[twocolumn]{article}",
        "letterpaper,textwidth=6.875in,textheight=8.875in",
    ),
}
DOCUMENT = r"""%s
\usepackage[T1]{fontenc}
\usepackage{amssymb,booktabs,graphicx}
\usepackage[%s]{geometry}
\begin{document}
%s
\end{document}
"""
BAD = ("Overfull", "Float too large", "Reference", "multiply defined")
SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}
HOSTILE = r"""\input{/etc/passwd} 50% of $x_1^2$ & {a} ~b #3 <tag> "q" [z] 日本 naïve — ﬁn"""


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def compiled(text: str, folder: Path, page: str) -> Path:
    """The PDF file of a document around `text`, where everything has its place."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("pdflatex is not installed")
    (folder / "page.tex").write_text(DOCUMENT % (*PAGES[page], text), encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not [
        line
        for line in done.stdout.splitlines()
        if line.startswith(("LaTeX Warning", "Overfull")) and any(word in line for word in BAD)
    ]
    return folder / "page.pdf"


@pytest.fixture(scope="module")
def paper_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Those of the paper with every data set, and the longest of a data set."""
    folder = tmp_path_factory.mktemp("paper")
    built = build_tables(outcome(folder / "results", paper_rows(), PAPER, "paper"))
    names = ("table1", "table2", "table3", "table4", "table5", "metrics", "subsets/mvtec")
    return "\n".join(latex(built[name]) for name in names)


def test_tables_of_the_paper_profile_fit_the_page(paper_tables: str, tmp_path: Path, page: str) -> None:
    assert compiled(paper_tables, tmp_path, page).stat().st_size > 10_000


def test_fingerprints_stand_in_comments_alone(tmp_path: Path) -> None:
    text = latex(build_tables(outcome(tmp_path, _methods()))["table1"])
    shown = [line for line in text.splitlines() if not line.startswith("%")]
    assert "fingerprint" in text
    assert "fingerprint" not in "".join(shown)
    assert r"\label{tab:table1}" in shown
    assert any(
        line.startswith(r"\caption{Zero-shot anomaly detection on industrial data sets.") for line in shown
    )


def test_a_float_is_no_longer_than_a_page(tmp_path: Path) -> None:
    rows = [it for it in paper_rows() if it.dataset == "mvtec"]
    text = latex(build_tables(outcome(tmp_path, rows, {"mvtec": PAPER["mvtec"]}, "paper"))["subsets/mvtec"])
    floats = text.split(r"\begin{table*}")[1:]
    assert len(floats) > 1
    assert all(one.count(r" \\") < 60 for one in floats)
    assert r"\label{tab:subsets-mvtec-2}" in floats[1]


def test_hostile_texts_compile_and_do_nothing(tmp_path: Path, page: str) -> None:
    rows = [
        *full_run("clip", SHARES)[1:],
        failed("mvtec", "bottle", "clip", f"{HOSTILE} {'/long' * 60}"),
        *full_run("lab_method", SHARES, title=HOSTILE),
        row("btad", "01", "vand", 0.3),
    ]
    built = build_tables(outcome(tmp_path / "results", rows))
    text = "\n".join(latex(table) for table in built.values())
    assert "\\input" not in text
    compiled(text, tmp_path, page)


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
