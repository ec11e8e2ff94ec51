"""How a check fails, and how failures of several checks become one message."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pipeline.errors import ZsadError

_Subject = TypeVar("_Subject")


class ConformanceError(ZsadError):
    """A method or data set that breaks its contract; one line a broken rule."""


def require(holds: bool, message: str) -> None:
    """Refuse what breaks a rule.

    Raises:
        ConformanceError: `holds` is false.
    """
    if not holds:
        raise ConformanceError(message)


def run_checks(checks: Iterable[Callable[[_Subject], None]], make: Callable[[], _Subject], name: str) -> None:
    """Make every check on a subject of its own.

    Raises:
        ConformanceError: one line a failed check: the subject's name, the check's, and what is wrong.
    """
    failures: list[tuple[str, Exception]] = []
    for check in checks:
        try:
            check(make())
        except ConformanceError as error:
            failures.append((f"{name}: {check.__name__}: {error}", error))
        except Exception as error:  # noqa: BLE001 - what breaks one rule may raise anything under another
            failures.append((f"{name}: {check.__name__}: {type(error).__name__}: {error}", error))
    if failures:
        raise ConformanceError("\n".join(line for line, _ in failures)) from failures[0][1]
