"""Torch, Ray and pandas are loaded while Prefect waits for its server, not before."""

import subprocess
import sys


def test_the_flow_is_there_before_them() -> None:
    late = ["torch", "ray", "pandas"]
    code = f"import sys, pipeline.flows.evaluate; sys.exit(' '.join(set({late}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_prefect_does_not_print_whole_events_where_its_server_is_gone() -> None:
    code = (
        "import pipeline.flows, logging, prefect; from prefect.logging.configuration import setup_logging;"
        "setup_logging(); logging.getLogger('prefect._internal.concurrency').error('x' * 2000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
