import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import write_text
from pipeline.results import CellRow, ResultsError
from pipeline.tables.write import write_means

from .make import EXPECTED, GOLDEN, failed, files_of, full_run, outcome, renew_golden, row, write

GOLDEN_FILES = (
    "table1.md",
    "table1.csv",
    "table1.tex",
    "table1.html",
    "table2.md",
    "table2.csv",
    "subsets/mvtec.md",
    "subsets/mvtec.tex",
    "subsets/mvtec.html",
    "subsets/mvtec.csv",
)

CLIP = {"bottle": 0.741, "cable": 0.62, "01": 0.305, "headct": 0.565, "isic": 0.331}
CLIP_AC = {"bottle": 0.7152, "cable": 0.6458, "01": 0.5104, "headct": 0.6, "isic": 0.36}
ANOMALYCLIP = {"bottle": 0.99, "cable": 0.88, "01": 0.883, "headct": 0.934, "isic": 0.897}


def _rows() -> list[CellRow]:
    """Three methods and a variant; a failed subset, a missing one and a method of somebody else's."""
    whole = full_run("clip", CLIP) + full_run("clip_ac", CLIP_AC) + full_run("anomalyclip", ANOMALYCLIP)
    gone = {("clip", "cable"), ("clip_ac", "isic")}
    return [
        *(it for it in whole if (it.method, it.subset) not in gone),
        failed("mvtec", "cable", "clip", "mvtec/cable/000.png: cannot be decoded"),
        *full_run("anomalyclip", ANOMALYCLIP, variant="no_dpam", pixel_pro=0.25)[:2],
        row("btad", "01", "lab_method", 0.9, image_ap=None),
    ]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("tables"), _rows())


@pytest.mark.parametrize(
    "name",
    GOLDEN_FILES,
)
def test_tables_are_those_of_the_golden_files(tables: dict[str, str], name: str) -> None:
    """After a change that is meant: `cd tests && python -m tables.test_write` makes them anew."""
    assert tables[name] == (GOLDEN / name).read_text()


def test_the_files(tables: dict[str, str]) -> None:
    names = (
        "table1",
        "table2",
        "metrics",
        "review7",
        "review12",
        *(f"subsets/{dataset}" for dataset in EXPECTED),
    )
    assert set(tables) == {"pixel_auroc.svg"}.union(*(files_of(name) for name in names))


def test_dvc_has_a_row_of_the_papers_metrics_for_each_method_and_domain(tmp_path: Path) -> None:
    stray = tmp_path / "means" / "own" / "clip.json"
    write_text(stray, "{}")
    paths = write_means(outcome(tmp_path / "results", _rows()), tmp_path / "means")
    means = {path.relative_to(tmp_path / "means").as_posix(): json.loads(path.read_text()) for path in paths}
    methods = ("clip", "clip_ac", "anomalyclip", "lab_method")
    wanted = {f"{domain}/{it}.json" for domain in ("industrial", "medical") for it in methods}
    assert set(means) == wanted | {"industrial/anomalyclip.no_dpam.json"}
    assert means["medical/clip.json"]["image_auroc"] == CLIP["headct"]  # ISIC has pixels alone
    assert means["industrial/clip.json"]["pixel_pro"] is None  # a subset failed
    assert not stray.exists()


def test_every_format_is_marked_as_miniature(tables: dict[str, str]) -> None:
    for name, text in tables.items():
        if name.endswith((".tex", ".html")):
            assert "MINIATURE PROFILE" in text, name


def test_every_markdown_table_is_marked_as_miniature(tables: dict[str, str]) -> None:
    for name, text in tables.items():
        if name.endswith(".md"):
            assert text.splitlines()[2].startswith("> **MINIATURE PROFILE"), name
        if name.endswith(".csv"):
            assert {line.split(",")[0] for line in text.splitlines()[1:]} == {"miniature"}, name


def test_the_same_results_give_the_same_bytes(tables: dict[str, str], tmp_path: Path) -> None:
    assert write(tmp_path, _rows()[::-1]) == tables


def test_bytes_do_not_depend_on_the_process(tables: dict[str, str], tmp_path: Path) -> None:
    """A fresh interpreter with another hash seed writes the same, the figure's generated names included."""
    code = (
        "import sys; from pathlib import Path; from tables.test_write import _rows, write; "
        "write(Path(sys.argv[1]), _rows())"
    )
    root = Path(__file__).parents[1]
    environment = {
        "PYTHONPATH": f"{root}:{root.parent}",
        "PYTHONHASHSEED": "5",
        "MPLCONFIGDIR": str(tmp_path / "mpl"),
    }
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    written = {name: (tmp_path / "tables" / name).read_text() for name in tables}
    assert written == tables


def test_tables_of_data_sets_that_left_the_run_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "tables" / "subsets").mkdir(parents=True)
    old = tmp_path / "tables" / "subsets" / "old.md"
    old.write_text("old")
    write(tmp_path, _rows())
    assert not old.exists()


def test_the_paper_profile_has_no_mark(tmp_path: Path) -> None:
    texts = write(tmp_path, full_run("clip", CLIP, profile="paper"), profile="paper")
    assert "PROFILE" not in "".join(text for name, text in texts.items() if name.endswith(".md"))


def test_results_of_another_profile_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="results of profile miniature cannot go into the tables of paper"):
        write(tmp_path, full_run("clip", CLIP), profile="paper")


def test_one_method_alone_is_not_marked_best(tmp_path: Path) -> None:
    texts = write(tmp_path, full_run("clip", CLIP))
    assert "| MVTec AD | 2 | (68.1, 68.1) |" in texts["table1.md"]
    assert not re.search(r"\(\*", texts["table1.md"])


def test_a_run_without_medical_data_sets(tmp_path: Path) -> None:
    texts = write(tmp_path, [row("btad", "01", "clip", 0.5)], {"btad": EXPECTED["btad"]})
    assert "no data set of this table" in texts["table2.md"]
    assert len(texts["table2.csv"].splitlines()) == 1


if __name__ == "__main__":
    renew_golden(_rows(), EXPECTED, GOLDEN_FILES)
