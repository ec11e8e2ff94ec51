"""A project folder as a user has one, with helpers to change it and to run the real commands in it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml

from pipeline.results import CellRow
from pipeline.results.parquet import cell_rows, read_metrics

ROOT = Path(__file__).parents[1]
SECONDS = 240


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events of a run's log, in order; a last line that was cut short by a kill is left out."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def _hear() -> None:
    """In a child: what `nohup` or a shell's background has tests ignore, it is to hear."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Project:
    """`folder` is the root of the project."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def write_params(self, values: dict[str, Any]) -> None:
        """Replace params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    def params(self) -> dict[str, Any]:
        """What params.yaml says."""
        values: dict[str, Any] = yaml.safe_load((self.folder / "params.yaml").read_text())
        return values

    def set_param(self, path: str, value: Any) -> None:
        """Change one key of params.yaml, given as `a.b.c`."""
        values = self.params()
        *parents, last = path.split(".")
        place = values
        for key in parents:
            place = place[key]
        place[last] = value
        self.write_params(values)

    def use_samples_as_data(self) -> None:
        """What `data.dvc` does, without DVC."""
        shutil.copytree(self.folder / "samples", self.folder / "data", dirs_exist_ok=True)

    def init_dvc(self) -> None:
        """Make it a git and DVC project that imports samples/ as data/."""
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, self.folder / name)
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        # What `dvc config` and `dvc unfreeze` write, without a process for each.
        (self.folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
        self.run("dvc", "import-url", "-q", "samples", "data")
        imported = self.folder / "data.dvc"
        imported.write_text(imported.read_text().replace("frozen: true\n", ""))

    def start(self, *command: str, output: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command of the environment in the project, in a process group of its own."""
        tools = Path(sys.executable).parent
        environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        # Set by the first import of pipeline.flows in this process; a project has its own.
        environment.pop("PREFECT_HOME", None)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles all of it
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_hear,  # noqa: PLW1509 - before any thread of the child
        )
        self.processes.append(process)
        return process

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command to its end, check its exit code and return what it printed."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, output
        return output

    def rows(self) -> list[CellRow]:
        """All rows of results/miniature/metrics."""
        return cell_rows(read_metrics(self.folder / "results" / "miniature" / "metrics"))

    def files(self, folder: str) -> dict[str, bytes]:
        """Relative path to content of every file below a folder."""
        root = self.folder / folder
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def stop(self) -> None:
        """End what is still running, children that outlived a killed parent included."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
