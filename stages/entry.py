"""How a stage ends: an error that a user is meant to read is one line on standard error and exit code 1.

An interrupted stage has ten seconds to take its workers down, then it ends with exit code 130. Without this
limit Prefect would go on for minutes: Ctrl-C ends its short-lived server too, and it keeps asking for it.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from threading import Timer
from types import FrameType

from pipeline.errors import ZsadError

_GRACE_SECONDS = 10


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt` in the main thread, and make sure that the process ends soon."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.stderr.write("interrupted: what was finished is kept\n")
    logging.disable()
    limit = Timer(_GRACE_SECONDS, os._exit, (130,))
    limit.daemon = True
    limit.start()
    raise KeyboardInterrupt


def stage(run: Callable[[], None]) -> None:
    """Call `run`; turn a `ZsadError` into its message, SIGINT and SIGTERM into an orderly end."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        run()
    except ZsadError as error:
        sys.exit(f"error: {error}")
