"""How fine the grain of the code is, and how many files a real run goes through.

    python -m tests.grain

Modules, their median, the small ones, dataclasses per 1,000 lines of code; then the files of which a function
is executed when AnomalyCLIP is tuned on one small data set and evaluated on another, in one process, stage by
stage. Import alone does not count. What is executed and not in the static reach of its stage is named: there
`tests.reach` is blind. `-v` lists the files.
"""

import ast
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import CO_OPTIMIZED
from io import StringIO
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.project import ROOT

PARTS = ("pipeline", "stages")
SMALL = 60  # lines
STAGES = (
    ("prepare", "colon_auxiliary"),
    ("prepare", "sdd"),
    ("train", "colon_auxiliary"),
    ("evaluate",),
    ("tables",),
    ("report",),
)
_FILE = "ZSAD_GRAIN_FILE"


@dataclass(frozen=True)
class Grain:
    """Counts over the modules of a package; lines as `wc -l` has them."""

    modules: dict[str, int]
    dataclasses: int
    code_lines: int

    @property
    def median(self) -> float:
        """Lines."""
        return statistics.median(self.modules.values())

    @property
    def small(self) -> float:
        """Share of the modules below `SMALL` lines."""
        return sum(lines < SMALL for lines in self.modules.values()) / len(self.modules)

    @property
    def dataclasses_per_1000(self) -> float:
        """Dataclasses per 1,000 lines of code."""
        return 1000 * self.dataclasses / self.code_lines


@cache
def measure(folder: Path = ROOT / "pipeline") -> Grain:
    """The grain of the modules below `folder`."""
    sources = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.py")}
    trees = [ast.parse(source) for source in sources.values()]
    return Grain(
        modules={name: len(source.splitlines()) for name, source in sorted(sources.items())},
        dataclasses=sum(map(_is_dataclass, (node for tree in trees for node in ast.walk(tree)))),
        code_lines=sum(map(code_lines, sources.values())),
    )


def _is_dataclass(node: ast.AST) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.ClassDef) else []
    return any(ast.unparse(it).partition("(")[0].endswith("dataclass") for it in decorators)


def code_lines(source: str) -> int:
    """Lines that are neither blank, comment nor docstring."""
    described: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            described.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    nothing = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    lines: set[int] = set()
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - described)


class _Executed:
    """A profile function that notes the files of executed functions."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code not in self._seen:
            self._seen.add(code)
            if code.co_flags & CO_OPTIMIZED and not code.co_name.startswith("<"):  # neither module nor class
                self.files.add(code.co_filename)


def _trace(names: list[str]) -> None:
    """Run the stage `names[0]` in the current folder and write the files that it executed."""
    executed, here = _Executed(), Path.cwd()
    run = import_module(f"stages.{names[0]}").run
    sys.argv = [f"stages/{names[0]}.py", *names[1:]]
    threading.setprofile(executed)
    sys.setprofile(executed)
    try:
        run()
    finally:
        sys.setprofile(None)
        paths = [Path(file) for file in executed.files if Path(file).is_relative_to(here)]
        ours = [path.relative_to(here).as_posix() for path in paths]
        Path(os.environ[_FILE]).write_text(
            json.dumps([it for it in ours if it.startswith(PARTS) and it.endswith(".py")])
        )


def executed_files() -> dict[str, set[str]]:
    """Files with an executed function, by stage, in a serial run of AnomalyCLIP on one data set."""
    from tests.conftest import make_project, read_small_params

    found: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        params = read_small_params()
        params |= {"datasets": ["sdd", "colon_auxiliary"], "auxiliaries": ["colon_auxiliary"]}
        params["auxiliary"], params["protocol"] = ["colon_auxiliary"], "colon_auxiliary"
        params["methods"] = {"anomalyclip": params["methods"]["anomalyclip"]}
        project = make_project(Path(folder) / "project", params)
        shutil.copytree(ROOT / "samples" / "colon_auxiliary", project.folder / "samples" / "colon_auxiliary")
        project.use_samples_as_data()
        for names in STAGES:
            found.setdefault(names[0], set()).update(_executed_by(project.folder, names))
    return found


def _executed_by(folder: Path, names: Iterable[str]) -> list[str]:
    file = folder.parent / "executed.json"
    paths = os.pathsep.join((str(folder), str(ROOT)))
    subprocess.run(
        [sys.executable, "-P", "-c", f"from tests.grain import _trace; _trace({list(names)!r})"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, _FILE: str(file)},
        check=True,
    )
    executed: list[str] = json.loads(file.read_text())
    return executed


def main() -> None:
    """Print the figures."""
    from tests.reach import Reach

    grain, reach = measure(), Reach()
    print(f"{len(grain.modules)} modules, median {grain.median:.0f} lines, {grain.small:.0%} below {SMALL}")
    rate = f"{grain.dataclasses_per_1000:.1f} per 1,000 of {grain.code_lines} lines of code"
    print(f"{grain.dataclasses} dataclasses, {rate}", flush=True)
    for stage, files in executed_files().items():
        print(f"{stage}: functions of {len(files)} files executed")
        for blind in sorted(files - reach.files([(f"stages.{stage}", "run")])):
            print(f"  {blind}: not in the static reach")
        if "-v" in sys.argv:
            print(*(f"  {file}" for file in sorted(files)), sep="\n")


if __name__ == "__main__":
    main()
