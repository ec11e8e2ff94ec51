"""Torch, Ray and pandas are loaded while Prefect waits for its server, not before."""

import subprocess
import sys


def test_the_flow_is_there_before_them() -> None:
    late = ["torch", "ray", "pandas"]
    code = f"import sys, pipeline.flows.evaluate; sys.exit(' '.join(set({late}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
