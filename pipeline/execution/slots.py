"""How many groups may be in the backend's hands at once: twice its workers, as many as there are now.

With two a worker the next group is there before a worker is free; with no more, an interrupted run has few
to end. A cluster that grows or shrinks changes the number while the run goes on.
"""

import time
from threading import Condition

from pipeline.execution.backends import Backend

_PER_WORKER = 2
_LOOK_SECONDS = 2.0


class Slots:
    """Counts groups in hand; `take` waits for a free slot."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._taken = 0
        self._changed = Condition()

    def take(self) -> None:
        """Wait until there is a slot, and take it."""
        while True:
            most = _PER_WORKER * max(1, self._backend.workers)
            with self._changed:
                if self._taken < most:
                    self._taken += 1
                    return
                self._changed.wait(_LOOK_SECONDS)

    def give(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until every slot is free, `seconds` at most."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._taken, max(0.0, deadline - time.monotonic()))
