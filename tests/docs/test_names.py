"""What pages name in the package is there: modules, what they define, files."""

import re
from collections.abc import Iterator

from tests.project import ROOT
from tests.reach import Reach

MADE_THERE = {"odd_patch", "near_normal", "hardest"}  # by who follows the page
_DOTTED = re.compile(r"\bpipeline(?:\.\w+)+")
_FILE = re.compile(r"`((?:\w+/)+\w+\.py)`")


def _pages() -> Iterator[tuple[str, str]]:
    """Name and text of every page; the changelog tells of what was."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    yield from (
        (path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths if path.name != "CHANGELOG.md"
    )


def _is_there(reach: Reach, dotted: str) -> bool:
    """`pipeline.a.b`, a module, or a name in one."""
    module, _, name = dotted.rpartition(".")
    if dotted in reach.modules or MADE_THERE & set(dotted.split(".")):
        return True
    found = reach.modules.get(module)
    if found is None:  # an attribute: of a class, of a function
        return "." in module and _is_there(reach, module)
    return name in found.defined or name in found.imported or name.startswith("__")


def test_every_name_is_there(reach: Reach) -> None:
    absent = {
        (page, dotted)
        for page, text in _pages()
        for dotted in _DOTTED.findall(text)
        if not _is_there(reach, dotted)
    }
    assert absent == set()


def test_every_file_is_there() -> None:
    absent = {
        (page, file)
        for page, text in _pages()
        for file in _FILE.findall(text)
        if not any((folder / file).exists() for folder in (ROOT, ROOT / "pipeline"))
        and not any(made in file for made in MADE_THERE)
    }
    assert absent == set()
