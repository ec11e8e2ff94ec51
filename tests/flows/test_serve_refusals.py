"""What `zsad serve` refuses before it starts anything: one line, exit code 1."""

import socket

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.files import only_one
from tests.project import Project


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    return result.output


def test_a_port_that_is_taken(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in refused("--port", str(port))
    assert not (project.folder / ".prefect" / "serve.txt").exists()


@pytest.mark.parametrize("cron", ["", "at two", "0 25 * * *"])
def test_a_schedule_that_is_none(project: Project, cron: str) -> None:
    assert "cannot be read as a schedule" in refused("--cron", cron)


def test_a_second_one(project: Project) -> None:
    (project.folder / ".prefect").mkdir()
    (project.folder / ".prefect" / "serve.txt").write_text("process 12, http://127.0.0.1:4200\n")
    with only_one(project.folder / ".prefect" / "serve.lock", ""):
        assert "running already (process 12, http://127.0.0.1:4200)" in refused()
