"""The bounds of the house, from both sides: what is too long for one reading, and what is too small a room.

Lines of a function are its lines of code: no docstring, no comment, no blank line. Ruff holds the rest:
docstrings, complexity and the number of arguments. `python -m tests.grain` prints where we stand.
"""

import ast
import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter

import pytest

from tests.grain import code_lines, measure
from tests.project import ROOT
from tests.reach import Reach

PARTS = ("pipeline", "stages", "benchmarks", "tests")
LONGEST_MODULE, LONGEST_FUNCTION = 400, 50
AIMED_MODULE, AIMED_FUNCTION = 300, 20
SHARE_IN_AIM = 0.95
MOST_SMALL, LEAST_MEDIAN, MOST_DATACLASSES = 0.25, 100, 6


def _modules(*parts: str) -> dict[str, str]:
    paths = (path for part in parts for path in sorted((ROOT / part).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


def _module_lines(*parts: str) -> dict[str, int]:
    return {name: len(source.splitlines()) for name, source in _modules(*parts).items()}


def _function_lines(*parts: str) -> dict[str, int]:
    return {
        f"{name}:{function.lineno} {function.name}": _code_lines(function, source.splitlines())
        for name, source in _modules(*parts).items()
        for function in _functions(source)
    }


def _functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    first = function.body[0]
    described = ast.get_docstring(function) is not None
    body = lines[(first.end_lineno or 0) if described else first.lineno - 1 : function.end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in body)


def test_lines_of_a_function_are_its_code() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    # why\n    x = 1\n\n    return x\n'
    (function,) = _functions(source)
    assert _code_lines(function, source.splitlines()) == 2


def test_no_module_is_too_long() -> None:
    assert {name: n for name, n in _module_lines(*PARTS).items() if n > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    assert {name: n for name, n in _function_lines(*PARTS).items() if n > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize(
    ("measure", "aim"), [(_module_lines, AIMED_MODULE), (_function_lines, AIMED_FUNCTION)]
)
def test_most_of_the_package_is_as_short_as_we_aim(measure: Callable[..., dict[str, int]], aim: int) -> None:
    lines = measure("pipeline", "stages")
    longer = {name: n for name, n in lines.items() if n > aim}
    assert len(longer) <= (1 - SHARE_IN_AIM) * len(lines), longer


def test_rooms_are_not_too_small() -> None:
    grain = measure()
    assert grain.small <= MOST_SMALL
    assert grain.median >= LEAST_MEDIAN


def test_nouns_are_few() -> None:
    """Dataclasses per 1,000 lines of code: a plain tuple or a function often does."""
    assert measure().dataclasses_per_1000 <= MOST_DATACLASSES


def test_lines_of_code_are_neither_blank_comment_nor_docstring() -> None:
    source = '"""One.\n\nTwo."""\n\nX = """\na"""  # why\n\n\ndef f():\n    """One."""\n    return 1\n'
    assert code_lines(source) == 4


def test_modules_import_each_other_in_no_circle(reach: Reach) -> None:
    """Late imports, inside functions, are left out; so is what a package hands on from its own modules."""
    assert list(TopologicalSorter(reach.imports()).static_order())


def test_no_name_is_defined_twice(reach: Reach) -> None:
    """The second would stand for the first, also where the first was meant."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    twice = [
        f"{module}.{name}"
        for module, found in reach.modules.items()
        for name, statements in found.defined.items()
        if len(statements) > 1 and any(isinstance(it, functions) for it in statements)
    ]
    assert twice == []


def test_every_name_is_used_by_more_than_tests() -> None:
    """Top-level names of the package that nothing mentions: not the package, benchmarks or an entry point."""
    reach = Reach(packages=("pipeline", "stages", "benchmarks"))
    asked = "".join(
        (ROOT / name).read_text().replace("/", ".") for name in ("pyproject.toml", "prefect.yaml")
    )
    mentioned = reach.mentioned()
    unused = [
        f"{module}.{name}"
        for module, found in reach.modules.items()
        if module.startswith("pipeline")
        for name in found.defined
        if (module, name) not in mentioned
        and not name.startswith("__")
        and not re.search(rf"\b{module}(\.py)?:{name}\b", asked)
    ]
    assert unused == []
