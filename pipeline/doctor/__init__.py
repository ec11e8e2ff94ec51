"""What `zsad doctor` looks at: environment, machine, services, and every stored file with a digest."""

from collections.abc import Iterator

from pipeline.doctor.machine import Finding, Level, environment, hardware, services
from pipeline.doctor.stored import stored_files
from pipeline.params import Params

__all__ = ["Finding", "Level", "examine"]


def examine(params: Params, *, repair: bool = False, profile: str | None = None) -> Iterator[Finding]:
    """Look at everything, in the order in which one would fix things; findings come as they are made.

    Args:
        params: of the project in the current directory.
        repair: delete damaged cells and leftovers of killed runs.
        profile: that `params` were composed of; None for those of params.yaml. Next steps name it.
    """
    yield from environment()
    yield from hardware(params.compute)
    yield from services()
    yield from stored_files(params, repair=repair, profile=profile)
