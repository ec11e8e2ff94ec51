"""The whole examination, in the order in which one would mend things."""

from collections.abc import Iterator

from pipeline.doctor.finding import Finding
from pipeline.doctor.machine import environment, machine, services
from pipeline.doctor.stored import stored
from pipeline.params import Params


def examine(params: Params, *, repair: bool = False) -> Iterator[Finding]:
    """Look at everything; findings come as they are made.

    Args:
        params: of the project in the current directory.
        repair: delete damaged cells and leftovers of killed runs.
    """
    yield from environment()
    yield from machine(params.compute)
    yield from services()
    yield from stored(params, repair=repair)
