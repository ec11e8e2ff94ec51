"""How a stage ends: an error that a user is meant to read is one line on standard error and exit code 1."""

import logging
import sys
from collections.abc import Callable

from pipeline.errors import ZsadError


def stage(run: Callable[[], None]) -> None:
    """Call `run`; turn a `ZsadError` into its message."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        run()
    except ZsadError as error:
        sys.exit(f"error: {error}")
