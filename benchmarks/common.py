"""What all benchmarks share: interleaved timing, machine facts, and their section of RESULTS.md.

A section stands between two comment lines that carry its name; a rerun replaces it and nothing else.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch

from pipeline.files import write_text
from pipeline.speed import machine

Name = TypeVar("Name", bound=Hashable)
RESULTS = Path(__file__).parent / "RESULTS.md"


def add_rounds(parser: argparse.ArgumentParser, default: int) -> None:
    """The option `--rounds` of a benchmark whose contenders take turns."""
    parser.add_argument("--rounds", type=int, default=default, help="turns of each contender")


def interleaved(
    contenders: Mapping[Name, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Name, float]:
    """Median seconds of each contender; they take turns, so that other load meets all of them alike."""
    seconds: dict[Name, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
    return {name: statistics.median(runs) for name, runs in seconds.items()}


def synchronise(device: str) -> None:
    """Wait for what a GPU has in hand; nothing on a CPU."""
    if device == "cuda":
        torch.cuda.synchronize()


def facts(device: str = "cpu") -> str:
    """One line on the machine, the versions and the day."""
    known = machine()
    name = (
        torch.cuda.get_device_name() if device == "cuda" else f"{known['processor']}, {known['cores']} cores"
    )
    day = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    threads = "" if device == "cuda" else f", {torch.get_num_threads()} torch threads"
    return f"{name}{threads}, torch {known['torch']}, {day}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def write_section(name: str, title: str, body: str) -> None:
    """Replace the section `name` of RESULTS.md, or add it at the end, and print it.

    `name` is the benchmark's, with `_gpu` behind it for what was measured on one.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    module = name.removesuffix("_gpu")
    command = f"python -m benchmarks {module}" + (" --device cuda" if module != name else "")
    section = f"{begin}\n## {title}\n\n    {command}\n\n{body.strip()}\n{end}"
    text = RESULTS.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    found = pattern.search(text)
    whole = (
        text[: found.start()] + section + text[found.end() :] if found else f"{text.rstrip()}\n\n{section}\n"
    )
    write_text(RESULTS, whole)
    print(section)
