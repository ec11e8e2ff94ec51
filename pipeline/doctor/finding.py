"""One thing that was looked at, and what was found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """`area` and `name` say what was looked at, `text` what was found and, for a problem, the next step.

    A `note` is worth knowing and stops nothing; a `problem` would stop a run or make it wrong.
    """

    area: str
    name: str
    level: Level
    text: str
