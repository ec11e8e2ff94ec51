"""A helper ends with the process that it helps, however that one ends.

The operating system would rather keep it: a child whose parent is killed gets another one and goes on.
"""

import os
import time
from collections.abc import Callable
from threading import Thread

_POLL_SECONDS = 0.5


def end_with(parent: int, end: Callable[[], object] = lambda: os._exit(1)) -> None:
    """Watch the process `parent`, which started this one, and call `end` in a thread once it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        end()

    Thread(target=watch, name="orphans", daemon=True).start()
