"""What a release says about itself: one version, complete requirements, a licence for every file."""

import ast
import re
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import yaml

from tests.project import ROOT

SETUP: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = SETUP["project"]
PACKAGES = ("pipeline", "stages")


def shipped() -> list[Path]:
    """Every file that a wheel has."""
    return [
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != "py.typed"
    ]


def licensed() -> list[str]:
    """The patterns of the first column of LICENSES.md."""
    patterns: list[str] = []
    for line in (ROOT / "LICENSES.md").read_text().splitlines():
        folder = ""
        for pattern in re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else ():
            if "/" in pattern:
                folder = pattern.rpartition("/")[0] + "/"
            patterns.append(pattern if "/" in pattern else folder + pattern)
    return patterns


def covers(pattern: str, path: str) -> bool:
    """`**` is any folders, none included."""
    return any(fnmatchcase(path, it) for it in (pattern, pattern.replace("**/", "")))


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_every_shipped_file_has_a_licence() -> None:
    """Code and documentation by their suffix, all data by where it lies."""
    patterns = licensed()
    special = [pattern for pattern in patterns if not pattern.startswith("**")]
    for path in shipped():
        rows = patterns if path.suffix in (".py", ".md") else special
        assert any(covers(row, path.as_posix()) for row in rows), path


def test_every_licence_row_has_a_file() -> None:
    for pattern in licensed():
        assert next(iter(ROOT.glob(pattern)), None), pattern


def test_every_kind_of_file_is_in_the_package() -> None:
    """A file that setuptools is not told of would be missing from the wheel."""
    told = SETUP["tool"]["setuptools"]["package-data"]["pipeline"]
    for path in shipped():
        inside = path.relative_to(path.parts[0]).as_posix()
        assert path.suffix == ".py" or any(covers(pattern, inside) for pattern in told), path


def test_what_is_imported_and_what_is_required_are_the_same() -> None:
    """But for DVC, a command; Prefect's own, held to what works; and open_clip, which is imported by name."""
    texts = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["downloads"]]
    required = {normal(re.split(r"[^\w.-]", text)[0]) for text in texts}
    owners = packages_distributions()
    modules = imported() - set(sys.stdlib_module_names) - set(PACKAGES)
    used = [{normal(name) for name in owners[module]} for module in sorted(modules)]
    assert [names for names in used if not names & required] == []
    by_others = {"dvc", "fastapi", "sqlalchemy", "open-clip-torch", "torchvision"}
    assert required - set[str]().union(*used) == by_others


def imported() -> set[str]:
    """Top-level names that the package imports."""
    names: set[str] = set()
    for path in shipped():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse((ROOT / path).read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.partition(".")[0])
    return names


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
