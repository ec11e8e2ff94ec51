"""The stages of the pipeline: what DVC runs, as `python -m stages.NAME`.

DVC takes the `python` of the PATH. Where that has no environment of ours, the project's own goes on instead,
so that `.venv/bin/dvc repro` needs no activated environment; without one it is said what to do.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def _in_our_environment() -> None:
    own = Path(".venv") / "bin" / "python"
    if find_spec("torch") and find_spec("pydantic"):
        return
    if not own.exists() or Path(sys.prefix).resolve() == own.parents[1].resolve():
        sys.exit(
            f"error: {sys.executable} has no zsad installed: put the environment that has it on the PATH, "
            "such as by `make env` and `export PATH=$PWD/.venv/bin:$PATH`"
        )
    if sys.stdout is not None:  # it was not closed
        sys.stdout.flush()
    os.environ["PATH"] = f"{own.parent.resolve()}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execv(own, [str(own), *sys.orig_argv[1:]])  # noqa: S606 - the project's own interpreter


_in_our_environment()

from pipeline.process import open_standard_streams  # noqa: E402 - not before it is sure to be there

open_standard_streams()  # before a library opens a file
