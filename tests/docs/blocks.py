"""The code blocks of the documentation, as its pages have them.

A block that a reader types is fenced as `sh`, a query as `python`. What the runner has to know stands in the
fence: needs="..." (why the block cannot run here), exit="1" (the exit code), until="..." (a server: what it
prints once it is up). A block with file="..." is what that file is to say.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TYPED: Final = ("sh", "python")
"""Languages of the blocks that are run."""

_KNOWN: Final = {"needs", "exit", "until", "file"}
_START: Final = re.compile(r"^```(?:(?P<plain>\w*)|\{ \.(?P<language>\w+)(?P<attributes>[^}]*)\})$")
_ATTRIBUTE: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it says, and the attributes of its fence."""

    page: Path
    line: int
    language: str
    text: str
    attributes: dict[str, str]

    @property
    def place(self) -> str:
        """How messages name it."""
        return f"{self.page}:{self.line}"


def blocks(page: Path, text: str) -> list[Block]:
    """The fenced blocks of a page that says `text`, in order.

    Raises:
        ValueError: a fence that is not understood or not closed; the message names the line.
    """
    found: list[Block] = []
    opened: tuple[int, re.Match[str]] | None = None
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if opened is not None and line == "```":
            found.append(_block(page, *opened, lines[opened[0] : number - 1]))
            opened = None
        elif opened is None and (start := _START.match(line)):
            opened = number, start
        else:
            raise ValueError(f"{page}:{number}: fence {line!r} is not understood")
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: the block is not closed")
    return found


def _block(page: Path, line: int, start: re.Match[str], lines: list[str]) -> Block:
    attributes = dict(_ATTRIBUTE.findall(start["attributes"] or ""))
    if unknown := attributes.keys() - _KNOWN:
        known = ", ".join(sorted(_KNOWN))
        raise ValueError(f"{page}:{line}: the fence has {min(unknown)!r}; known are {known}")
    return Block(page, line, start["language"] or start["plain"] or "", "\n".join(lines), attributes)
