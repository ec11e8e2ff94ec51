"""Kills parts of a running command at random: which part, when and in which order is a matter of the seed.

Processes are found by a mark in their environment, which children inherit, so that one whose parent was
killed is found too.
"""

import contextlib
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "ZSAD_SOAK"

KINDS = {
    "worker": re.compile(r"^ray::\w+/"),
    "raylet": re.compile(r"/raylet --"),
    "gcs": re.compile(r"/gcs_server --"),
    "server": re.compile(r"-m pipeline\.flows\.prefect_server"),
    "stage": re.compile(r"-m stages\."),
    "dvc": re.compile(r"dvc repro"),
}
"""What a victim's command looks like; a worker is one that has a group."""

_SURVIVED = ("worker", "server")  # the command goes on without
_CHANCES = {"worker": 5, "server": 2, "raylet": 1, "gcs": 1, "stage": 3, "dvc": 2}
_FIRST = 6  # chance of a kind that has not been killed yet: Ray's own processes are there in one stage only


def marked(mark: str) -> Iterator[tuple[str, psutil.Process]]:
    """Every process that carries `mark`, with its command."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(process.cmdline()), process


@dataclass
class Killer:
    """Kills something every few seconds.

    What ends the command costs its start and the work of the stage, so the time without such a kill grows
    by a quarter with each, and a run always comes to its end. Only the first kill of each kind may come
    earlier.

    Attributes:
        seed: the same seed makes the same choices; what is there to choose from is a matter of timing.
        mark: value of the variable `MARK` in the environment of what may be killed.
        say: is told of every kill.
        kills: kinds of those killed so far.
    """

    seed: int
    mark: str
    say: Callable[[str], None]
    kills: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - chooses victims
        self._start = time.monotonic()
        self._quiet, self._quiet_until = 5.0, self._start + 5.0

    def step(self, command: subprocess.Popen[str]) -> None:
        """Wait for some seconds, then kill a process of a kind that is there, if there is one."""
        pause, choice, place = self._chance.uniform(2, 8), self._chance.random(), self._chance.random()
        end = time.monotonic() + pause
        while time.monotonic() < end:
            if command.poll() is not None:
                return
            time.sleep(0.1)
        victims = self._victims()
        chances = [_CHANCES[kind] if kind in self.kills else _FIRST for kind in victims]
        if victims:
            kind = random.Random(choice).choices(list(victims), chances)[0]  # noqa: S311
            self._kill(kind, *victims[kind][int(place * len(victims[kind]))])

    def _victims(self) -> dict[str, list[tuple[str, psutil.Process]]]:
        """What may be killed now, by kind, each with its command."""
        there = list(marked(self.mark))
        quiet = time.monotonic() < self._quiet_until
        found = {kind: [it for it in there if pattern.search(it[0])] for kind, pattern in KINDS.items()}
        return {
            kind: victims
            for kind, victims in found.items()
            if victims and not (quiet and kind in self.kills and kind not in _SURVIVED)
        }

    def _kill(self, kind: str, name: str, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            self.kills.append(kind)
            self.say(f"{time.monotonic() - self._start:6.1f} s: killed {kind} {process.pid} ({_short(name)})")
        if kind not in _SURVIVED:
            self._quiet *= 5 / 4
            self._quiet_until = time.monotonic() + self._quiet


def _short(command: str) -> str:
    words = [Path(word).name if os.sep in word else word for word in command.split()]
    return " ".join(words)[:60]
