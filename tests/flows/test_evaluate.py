"""The evaluate stage around its cells: what it writes it writes while it holds the profile."""

from pathlib import Path

import pytest

from pipeline.errors import BusyError
from pipeline.execution.store import only_run
from pipeline.flows import evaluate
from pipeline.params import load_params
from tests.project import Project


def test_run_json_is_written_by_the_run_that_holds_the_profile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write(path: Path, **_: object) -> None:
        with pytest.raises(BusyError), only_run("miniature"):
            pass
        written.append(path)

    monkeypatch.setattr(evaluate, "write_run", write)
    monkeypatch.setattr(evaluate, "create_table_artifact", lambda *_, **__: None)
    summary = evaluate._evaluate.fn(load_params(), 0.0)  # nothing is prepared: every cell is refused
    assert not summary.complete
    assert written == [Path("results/miniature/run.json")]
