"""Every benchmark is reached by the one command."""

from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main

SHARED = {"__init__", "__main__", "common", "miniature", "ray_nodes", "subjects"}


def test_every_benchmark_has_its_name() -> None:
    folder = Path("benchmarks")
    assert {path.stem for path in folder.glob("*.py")} - SHARED == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_what_it_measures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m benchmarks {name}" in capsys.readouterr().out
