"""Importing the metrics must not pull the heavy libraries in."""

import subprocess
import sys


def test_import_is_light() -> None:
    heavy = ["torch", "scipy", "numba", "sklearn", "pandas", "ray"]
    code = f"import sys, pipeline.metrics; sys.exit(' '.join(set({heavy}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
