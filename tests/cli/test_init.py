"""`zsad init`; `make release-check` runs the benchmark in what it makes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import project
from pipeline.cli import main
from tests.project import ROOT


def test_a_project_is_the_repositorys_settings_and_links_to_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr(project, "write_all", drawn.append)  # 11 s
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as a hook of git sets it
    folder = tmp_path / "bench"
    said = CliRunner().invoke(main, ["init", str(folder)])
    assert said.exit_code == 0, said.output
    assert drawn == [folder / "data"]
    for name in ("params.yaml", "dvc.yaml", ".dvc/config", ".dvcignore", "datasets/README.md"):
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()
    assert (folder / ".gitignore").read_text() == (ROOT / ".gitignore").read_text() + "/pipeline\n/stages\n"
    assert (folder / "pipeline/miniature/tiny_clip/config.json").samefile(
        ROOT / "pipeline/miniature/tiny_clip/config.json"
    )
    assert (folder / ".git").is_dir()

    again = CliRunner().invoke(main, ["init", str(folder)])
    assert again.exit_code == 1
    assert again.output == f"error: {folder} is not empty: name a new folder\n"
