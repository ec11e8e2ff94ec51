"""The tables and the picture of what systems cost, from made-up measurements."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import ResultsError
from pipeline.results.cost import Costs, SystemCost, read_costs
from pipeline.tables import Outcome
from pipeline.tables.cost import cost_table, draw_cost, review8
from pipeline.tables.markdown import markdown

from .make import GOLDEN, full_run, outcome
from .test_figures import SHARES, _markers

GOLDEN_FILES = ("cost.md", "review8.md", "paper/review8.md")


def made(method: str, variant: str = "", *, title: str, **changes: Any) -> SystemCost:
    values: dict[str, object] = {
        "method": method,
        "variant": variant,
        "title": title,
        "learnt": 0,
        "frozen": 427_944_193,
        "image_gflop": 1013.61,
        "text_gflop": 12.3456,
        "tower_ms": 20.0,
        "head_ms": 0.25,
        "text_ms": 1234.5,
        "memory_mib": 2048.4,
        "training_s": None,
        "epochs": None,
    }
    return SystemCost.model_validate(values | changes)


def costs(profile: str = "miniature") -> Costs:
    learnt: dict[str, Any] = {"learnt": 43_008, "training_s": 900.0, "epochs": 15}
    return Costs(
        profile=profile,
        device="a GPU",
        machine={"processor": "a processor", "torch": "2.13.0"},
        threads=1,
        batch=8,
        rounds=5,
        auxiliary="mvtec",
        images=1725,
        systems=(
            made("clip", title="CLIP", tower_ms=10.0, head_ms=0.0),
            made("clip_ac", title="CLIP-AC", memory_mib=None),
            made("coop", title="CoOp", learnt=12_288, training_s=3000.0, epochs=50),
            made("anomalyclip", title="AnomalyCLIP", image_gflop=1216.42, **learnt),
            made("anomalyclip", "no_dpam", title="AnomalyCLIP", tower_ms=16.0, head_ms=0.0, **learnt),
        ),
    )


def run(folder: Path, profile: str = "miniature") -> Outcome:
    rows = [*full_run("clip", SHARES), *full_run("anomalyclip", dict.fromkeys(SHARES, 0.95))]
    return outcome(folder, [replace(it, profile=profile) for it in rows], profile=profile)


def texts(folder: Path) -> dict[str, str]:
    mini = run(folder / "mini")
    return {
        "cost.md": markdown(cost_table(mini, costs())),
        "review8.md": markdown(review8(mini, costs())),
        "paper/review8.md": markdown(review8(run(folder / "paper", "paper"), costs("paper"))),
    }


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_tables_are_those_of_the_golden_files(tmp_path: Path, name: str) -> None:
    """After a change that is meant: `cd tests && python -m tables.test_cost` makes them anew."""
    assert texts(tmp_path)[name] == (GOLDEN / name).read_text()


def test_cost_stands_beside_accuracy(tmp_path: Path) -> None:
    text = markdown(cost_table(run(tmp_path), costs()))
    row = next(line for line in text.splitlines() if line.startswith("| AnomalyCLIP |"))
    assert "| 43,008 | 427,944,193 | 1,216 | 12.3 | 20.0 | 0.250 | 1,234 | 2,048 | 900 |" in row
    assert "(**95.0**, **95.0**)" in row
    assert re.search(r"\| CLIP-AC \|.*\| - \| - \|.*\[1\]", text)  # no peak, no tuning, not evaluated


def test_before_anything_is_evaluated_there_is_cost_alone(tmp_path: Path) -> None:
    text = markdown(cost_table(Outcome("miniature", {}, {}), costs()))
    assert "MINIATURE PROFILE" in text
    assert "AUROC" not in text


def test_table_8_compares_speeds_of_one_machine(tmp_path: Path) -> None:
    """CLIP by hand: 13.23 images a second are 1.48 of AnomalyCLIP's 8.92; 10 ms are 2.02 of 20.25 ms."""
    lines = markdown(review8(run(tmp_path, "paper"), costs("paper"))).splitlines()
    clip = next(line for line in lines if line.startswith("| CLIP |"))
    assert clip == "| CLIP | 100 | 13.23 | 2.02 | 1.48 | - | - |"
    ours = next(line for line in lines if line.startswith("| AnomalyCLIP |"))
    assert ours.endswith("| 1.00 | 1.00 | 1.00 | 13.71 |")  # 900 s of 15 epochs
    assert any(line.startswith("| WinCLIP | - | 1.2 | - |") for line in lines)  # not measured


def test_the_miniature_is_not_held_against_the_thread(tmp_path: Path) -> None:
    assert "published" not in markdown(review8(run(tmp_path), costs()))


def test_the_picture_has_a_marker_for_each_system_with_a_mean(tmp_path: Path) -> None:
    path = tmp_path / "cost.svg"
    draw_cost(run(tmp_path), costs(), path)
    assert [_markers(path, panel) for panel in (1, 2, 3, 4)] == [2, 2, 2, 2]  # two divisions, two metrics
    again = tmp_path / "again.svg"
    draw_cost(run(tmp_path / "again"), costs(), again)
    assert path.read_bytes() == again.read_bytes()


def test_a_measurement_is_read_back(tmp_path: Path) -> None:
    assert read_costs(tmp_path) is None
    costs().write(tmp_path)
    assert read_costs(tmp_path) == costs()


@pytest.mark.parametrize("content", ["", "{}", '{"profile": 1}', "[]", '{"systems": [NaN]}'])
def test_a_damaged_measurement_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cost.json").write_text(content)
    with pytest.raises(ResultsError, match=r"cost\.json cannot be read \(.*\): run `zsad cost` again"):
        read_costs(tmp_path)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        for name, text in texts(Path(scratch)).items():
            (GOLDEN / name).write_text(text)
