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
from collections import Counter
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

_MOST = {"server": 3}  # kills of a kind in a stage; workers are killed as often as it comes, others once
_ONE_STAGE = ("worker", "raylet", "gcs")  # there during evaluate only, so they come first


def marked(mark: str) -> Iterator[tuple[str, psutil.Process]]:
    """Every process that carries `mark`, with its command."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(process.cmdline()), process


@dataclass
class Killer:
    """Kills something every few seconds.

    A run goes on without a worker. What ends it costs its start and the work of the stage that is under way,
    so each kind is killed once in each stage (the instances of one stage count as one), and a run always
    comes to its end. A server that dies five times in a row is given up, so it dies three times a stage.
    Kinds that have not been killed yet come first.

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
        self._killed: Counter[tuple[str, str]] = Counter()

    def step(self, command: subprocess.Popen[str]) -> None:
        """Wait for some seconds, then kill a process of a kind that is there, if there is one."""
        pause, choice, place = self._chance.uniform(2, 8), self._chance.random(), self._chance.random()
        end = time.monotonic() + pause
        while time.monotonic() < end:
            if command.poll() is not None:
                return
            time.sleep(0.1)
        there = list(marked(self.mark))
        stage = _under_way(there)
        if victims := self._victims(there, stage):
            kinds = self._first(list(victims))
            kind = kinds[int(choice * len(kinds))]
            self._kill(kind, stage, *victims[kind][int(place * len(victims[kind]))])

    def _victims(
        self, there: list[tuple[str, psutil.Process]], stage: str
    ) -> dict[str, list[tuple[str, psutil.Process]]]:
        """What may be killed now, by kind, each with its command."""
        found = {kind: [it for it in there if pattern.search(it[0])] for kind, pattern in KINDS.items()}
        return {
            kind: victims
            for kind, victims in found.items()
            if victims and (kind == "worker" or self._killed[kind, stage] < _MOST.get(kind, 1))
        }

    def _first(self, kinds: list[str]) -> list[str]:
        """Those among which to choose."""
        fresh = [kind for kind in kinds if kind not in self.kills]
        return [kind for kind in fresh if kind in _ONE_STAGE] or fresh or kinds

    def _kill(self, kind: str, stage: str, name: str, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            self.kills.append(kind)
            self._killed[kind, stage] += 1
            when = time.monotonic() - self._start
            self.say(f"{when:6.1f} s: {stage or 'no stage'}: killed {kind} {process.pid} ({_short(name)})")


def _under_way(there: list[tuple[str, psutil.Process]]) -> str:
    """The stage that runs, by DVC's word and without its instance; "" between two."""
    for command, process in there:
        with contextlib.suppress(psutil.Error):
            if KINDS["stage"].search(command):
                return process.environ().get("DVC_STAGE", "").partition("@")[0]
    return ""


def _short(command: str) -> str:
    words = [Path(word).name if os.sep in word else word for word in command.split()]
    return " ".join(words)[:60]
