"""Another account of the machine: code that runs as `nobody`, with nothing of ours in its environment."""

import os
import subprocess
import sys

import pytest

NOBODY = 65534
_BECOME = f"""
import os
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
"""


def as_nobody(imports: str, code: str, *arguments: str) -> str:
    """What `code` prints as another user; `imports` come first: Python may be ours alone."""
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: what another account of this machine can do; only root can become one")
    done = subprocess.run(
        [sys.executable, "-c", imports + _BECOME + code, *arguments],
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
