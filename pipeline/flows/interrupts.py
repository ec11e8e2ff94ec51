"""What somebody interrupts says Cancelled on its page, a flow and its tasks alike; Prefect says Crashed.

Cancel on a page sends a signal to the process of the run, Ctrl-C and the end of DVC send one to a stage; both
are raised in the main thread. Groups of cells are given up in their own threads (`StoppedError`). A task that
ends so returns its state with what interrupted it, which whoever called the task raises again: the flow is to
end, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas import FlowRun, State
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, get_state_exception

from pipeline.execution.retries import StoppedError
from pipeline.flows.server import best_effort

_MESSAGE = "interrupted"

P = ParamSpec("P")
R = TypeVar("R")


def cancellable(body: Callable[P, R]) -> Callable[P, R]:
    """The body of a task that ends as Cancelled when it is interrupted; call the task with `return_state`."""

    @wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return body(*args, **kwargs)
        except (KeyboardInterrupt, TerminationSignal, StoppedError) as interrupt:
            return Cancelled(message=_MESSAGE, data=interrupt)

    return run


def result_of(state: State[R]) -> R:
    """The result of a `cancellable` task; what it failed of, or what interrupted it, is raised."""
    if state.is_cancelled():
        raise cast("BaseException", get_state_exception(state))  # outside of any event loop
    return state.result()


@contextmanager
def cancelled_when_interrupted(flow_run: FlowRun) -> Iterator[None]:
    """Inside, Prefect runs the flow `flow_run`."""
    try:
        yield
    except KeyboardInterrupt:
        with best_effort(), get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelled(message=_MESSAGE), force=True)
        raise
