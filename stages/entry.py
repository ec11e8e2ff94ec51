"""What a stage is asked for and how it ends: an error that a user is to read is one line and exit code 1.

An interrupted stage has ten seconds to take its workers down, then it ends with exit code 130. Without this
limit Prefect would go on for minutes where its server is gone: it keeps asking for it. A stage whose DVC is
gone is interrupted too: nobody waits for its outputs, and the next run may be at work on them already.
"""

import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer
from types import FrameType

from pipeline.errors import ZsadError, as_message, is_shown, log_to_stderr, printable, redacted
from pipeline.process import end_with, let_go_of_unwritten

_GRACE_SECONDS = 10
_DVCS_NAME_OF_IT = "DVC_STAGE"


def _signals() -> Iterator[int]:
    """Those that end a stage; a hang-up does, unless the run was started with `nohup`."""
    yield from (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt` in the main thread, and make sure that the process ends soon."""
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)
    limit = Timer(_GRACE_SECONDS, os._exit, (130,))
    limit.daemon = True
    limit.start()
    logging.disable()
    with suppress(OSError):  # whoever read it may be gone, and some library would swallow that
        sys.stderr.write("interrupted: what was finished is kept\n")
    raise KeyboardInterrupt


def named(what: str) -> str:
    """The one name on the command line, or else behind the @ of the stage that DVC runs.

    DVC puts the name of the stage into the environment. In the command of dvc.yaml a shell would read
    the name before anything of ours has looked at it.

    Args:
        what: What it is the name of, for the message.

    Raises:
        ZsadError: there is none, or more than one.
    """
    match sys.argv[1:], os.environ.get(_DVCS_NAME_OF_IT, "").rpartition("@"):
        case [name], _:
            return name
        case [], (_, "@", name):
            return name
    part = Path(sys.argv[0]).stem
    raise ZsadError(f"which {what}? `python -m stages.{part} NAME`, or `dvc repro {part}` for all")


def stage(run: Callable[[], None]) -> None:
    """Call `run`; turn what a user can fix into its message, a signal to end into an orderly end."""
    log_to_stderr()
    atexit.register(gc.freeze)  # else the interpreter looks through all objects of its libraries as it ends
    for number in _signals():
        signal.signal(number, _interrupt)
    if _DVCS_NAME_OF_IT in os.environ:  # typed by hand, it may go on when its terminal is closed
        end_with(os.getppid(), lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not is_shown(error):
            raise
        let_go_of_unwritten()
        sys.exit(f"error: {printable(redacted(as_message(error)))}")
