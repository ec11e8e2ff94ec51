"""The log of a run: `.zsad/runs/<id>.jsonl`, one JSON object a line, one line an event.

Written as things happen, so that it tells how far a killed run came. Each line has `event`, `time` (of the
wall clock, for people) and `seconds` since the start of the run (of a clock that never jumps). A log that
cannot be written costs a warning, never the run.
"""

import json
import logging
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.errors import redacted
from pipeline.params import Params
from pipeline.results import git_revision, library_versions

log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path(".zsad") / "runs"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


class RunLog:
    """Appends events. Safe to call from several threads."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self._start = time.monotonic()
        self._lock = Lock()
        self._broken = False
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self.path = folder / f"{moment}-{uuid.uuid4().hex[:6]}.jsonl"

    def __call__(self, event: str, **facts: Any) -> None:
        """Write one line. A fact that is None is left out."""
        line = {
            "event": event,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": round(time.monotonic() - self._start, 3),
            **{name: value for name, value in facts.items() if value is not None},
        }
        text = redacted(json.dumps(line, ensure_ascii=False, default=_plain)) + "\n"
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as handle:
                    handle.write(text)
            except OSError as error:
                if not self._broken:
                    log.warning("%s cannot be written: %s", self.path, error)
                self._broken = True


@contextmanager
def recorded(params: Params, run_log: RunLog) -> Iterator[RunLog]:
    """Write down the start of a run, what it runs on, and an end that comes before `run_finished`."""
    run_log(
        "run_started",
        profile=params.profile,
        compute=params.compute.model_dump(),
        ray_address=os.environ.get("RAY_ADDRESS"),
        libraries=library_versions(),
        git=git_revision(Path.cwd()),
        machine={"platform": platform.platform(), "processors": os.cpu_count()},
    )
    try:
        yield run_log
    except BaseException as error:
        run_log("run_stopped", reason=f"{type(error).__name__}: {error}")
        raise
