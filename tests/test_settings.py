"""One reading of YAML: as PyYAML writes it, as DVC reads it, and no file that does harm."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import DataError, ParamsError
from pipeline.settings import parse_yaml, read_yaml

from .project import ROOT

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "1:30",
        "1:30:15",
        "010",
        "08",
        "0x10",
        "0o7",
        "1_000",
        ".inf",
        "-.inf",
        ".nan",
        "1e5",
        "2024-01-01",
        "=",
        "<<",
        "Null_",
        "0b1",
    ],
)
def test_what_the_versions_of_yaml_read_differently_is_text(text: str) -> None:
    assert parse_yaml(f"a: {text}", "x", ParamsError) == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("0.5", 0.5),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("'1'", "1"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", "x", ParamsError)["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "08",
        "010",
        "1e5",
        "1:30",
        ".inf",
        "",
        "~",
        "null",
        "12e4",
        "0x1f",
        "=",
        "1.5",
        "-",
        "a: b",
        "\u2028",
        "é",
    ],
)
def test_what_the_package_writes_is_read_back(value: str) -> None:
    assert parse_yaml(yaml.safe_dump({value: [value]}), "x", ParamsError) == {value: [value]}


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "data.dvc"])
def test_our_own_files_mean_what_they_meant(name: str) -> None:
    assert read_yaml(ROOT / name, ParamsError) == yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
        ("b: {a: 1, a: 1}", "line 1: the key 'a' stands there twice"),
        ("1: a\n1: b", "the key '1' stands there twice"),
        ("a: &x 1\nb: *x", r"line 2: an alias, \*x; write the value again"),
        (BOMB, "line 2: an alias"),
        ("[" * 100_000, "line 1: exceeded maximum nesting depth"),
        ("\n".join(" " * depth + "a:" for depth in range(200)), "nested deeper than 32"),
        ("a: !!python/object/apply:os.system [x]", "line 1: a tag"),
        ("a: !!binary aaaa", "line 1: a tag"),
        ("? [a, b]\n: 1", "a key that is a list or a mapping"),
        ("[" * 40, "line 1: nested deeper than 32"),
        ("a: [1", "line 2: did not find"),
        ("a: 1\n--- \nb: 1", "line"),
        ("a: \x00", "x cannot be read as YAML"),
        ("a: " + "9" * 5000, "x cannot be read as YAML"),
        ("a: " + "9" * 400 + ".0", "is too large for a number"),
        ('a: "\\e[2J"', r"line 1: the character '\\x1b', which steers a terminal"),
        ('"\\u202e": 1', r"the character '\\u202e'"),
        ("a: \ud800", "x cannot be read as YAML"),
    ],
)
def test_what_does_harm_is_refused_with_its_line(text: str, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ParamsError, match=message) as caught:
        parse_yaml(text, "x", ParamsError)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - start < 5


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    writes: dict[str, tuple[Any, str]] = {
        "long.yaml": (b"a: " + b"x" * (5 << 20), "has more than 4 MB"),
        "latin.yaml": ("a: é".encode("latin-1"), "is not UTF-8"),
    }
    for name, (content, message) in writes.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name} {message}"):
            read_yaml(tmp_path / name, DataError)
    with pytest.raises(DataError, match=r"pipe\.yaml cannot be read: it is no regular file"):
        read_yaml(tmp_path / "pipe.yaml", DataError)
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "nothing.yaml", DataError)
