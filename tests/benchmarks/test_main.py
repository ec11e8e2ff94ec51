"""Every benchmark is reached by the one command."""

from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main

SHARED = {"__init__", "__main__", "common", "learning", "miniature", "ray_nodes", "standin", "subjects"}


def test_every_benchmark_has_its_name() -> None:
    folder = Path("benchmarks")
    assert {path.stem for path in folder.glob("*.py")} - SHARED == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_what_it_measures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


def test_the_paper_profile_is_whole() -> None:
    from benchmarks.full_shape import planned
    from benchmarks.subjects import paper_params

    tasks = planned(paper_params())
    assert sum(len(task.cells) for task in tasks) == 1053
    assert {task.dataset for task in tasks} >= {"dagm", "dtd_synthetic"}
    images = sum(task.images for task in tasks if task.tower.name == "main")
    assert 22_894 - 12 <= images <= 22_894  # shares of a total are whole numbers
    assert {task.dataset for task in tasks if not task.masks} == {"headct", "brainmri", "br35h", "covid19"}
