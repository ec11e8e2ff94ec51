"""Everything on one tower against one method, at ViT-L/14@336 and 518 px.

    python -m benchmarks shared_pass
    python -m benchmarks shared_pass --device cuda --batch 8

The five are CLIP, CLIP-AC, VAND, CoOp and AnomalyCLIP, VAND put on the tower of the others. The ten are
variants of AnomalyCLIP: base, T1, T2, global only, local only, untrained and object-aware of the paper's
ablations, the retuned one, and a shorter and a shallower prompt. Methods published since join where the
tower is theirs too. The one is AnomalyCLIP. Counted apart are the tower and what follows it: adaptors, the
texts of each image, maps, pixel metrics. Figure 6 adds two attention streams, Q-Q and K-K, which have a
price by arithmetic: a block is 24 W²L + 4 W L² operations, a stream adds 2 W²L + 4 W L² to each of blocks 6
to 24.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import add_rounds, facts, interleaved, synchronise, table, write_section
from benchmarks.subjects import (
    build,
    extended_methods,
    paper_params,
    paper_values,
    random_clip,
    random_images,
)
from pipeline import methods
from pipeline.clip import Clip, Features, Local
from pipeline.clip.text import TextTower
from pipeline.execution.systems import resolve_systems
from pipeline.methods.base import Method
from pipeline.metrics import PixelState, label_masks
from pipeline.plan import ResolvedSystem

ONE = "anomalyclip"
FIVE = ("clip", "clip_ac", "vand", "coop", ONE)
FIGURE_6 = ("qq", "kk")
SIZE = 518
ALONE = "AnomalyCLIP alone"
_HEAD = (
    "",
    "cells",
    "streams",
    "tower, s an image",
    "times AnomalyCLIP's",
    "by operations",
    "heads, s an image",
)


def systems() -> list[ResolvedSystem]:
    """Five methods, ten variants, methods since, and the two of Figure 6, all on the tower `main`."""
    values = paper_values()
    chosen: dict[str, dict[str, Any]] = {name: values["methods"][name] | {"tower": "main"} for name in FIVE}
    variants = {ONE: values["variants"][ONE] | {"length_8": {"n_ctx": 8}, "depth_4": {"deep_layers": 4}}}
    retuned = {name: block | {"methods": [ONE]} for name, block in values["retuned"].items()}
    since = {name: block for name, block in extended_methods().items() if _tower(name, block) == "main"}
    changes = {"methods": chosen | since, "variants": variants, "retuned": retuned}
    return list(resolve_systems(paper_params(changes)))


def _tower(name: str, block: dict[str, Any]) -> str:
    return methods.get(name).parse(block).tower


class Group:
    """Some methods on one tower, as a worker has them."""

    def __init__(self, clip: Clip, methods: Sequence[Method], batch: int) -> None:
        self._clip, self.methods = clip, methods
        self._images = random_images(batch, SIZE)
        masks = np.zeros((batch, SIZE, SIZE), np.uint8)
        masks[:, 100:200, 100:200] = 1
        self._masks = masks
        self._taps = frozenset().union(*(method.taps for method in methods))
        self._texts = [method.text_features("bottle") for method in methods]
        self._states = [PixelState() for _ in methods]
        self._features: Features = {}

    def streams(self) -> int:
        """Extra attention streams of the pass."""
        return len({tap.stream for tap in self._taps if isinstance(tap, Local)} - {"qk"})

    def tower(self) -> None:
        """One batch through the tower."""
        self._features = self._clip.encode_image(self._images, self._taps)
        synchronise(self._clip.device.type)

    def heads(self) -> None:
        """From what the tower gave to pixel states, of all methods."""
        regions = label_masks(self._masks)
        for method, text, state in zip(self.methods, self._texts, self._states, strict=True):
            state.update(method.score(self._features, text).maps, regions)
        synchronise(self._clip.device.type)


class Watch:
    """Seconds within the text tower while it is entered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self.seconds = clock, 0.0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Counts from 0."""
        self.seconds, sound = 0.0, TextTower.encode_template

        def encode(tower: TextTower, *given: Any) -> Tensor:
            began = self._clock()
            made = sound(tower, *given)
            synchronise(made.device.type)
            self.seconds += self._clock() - began
            return made

        with patch.object(TextTower, "encode_template", encode):
            yield


def _text(method: Method, device: str) -> None:
    """The text side of a class that nobody has asked for yet."""
    method.text_features("screw")
    synchronise(device)


def arithmetic(clip: Clip, streams: int) -> float:
    """Operations an image of a pass with so many streams from block 6 on."""
    length, width, depth = clip.vision.grid**2 + 1, clip.vision.width, clip.vision.depth
    block, stream = (
        24 * width**2 * length + 4 * width * length**2,
        2 * width**2 * length + 4 * width * length**2,
    )
    return depth * block + streams * (depth - 5) * stream


def measure(device: str, batch: int, rounds: int) -> str:
    """The tables."""
    clock: Callable[[], float] = time.process_time if device == "cpu" else time.perf_counter
    clip = random_clip(size=SIZE, device=device)
    built = {item.system.name: build(item, clip) for item in systems()}
    contents = _contents(built)
    groups = {
        title: Group(clip, [built[name] for name in built if name in names], batch)
        for title, names in contents.items()
    }
    parts: dict[tuple[str, str], Callable[[], None]] = {}
    for title, group in groups.items():
        parts |= {(title, "tower"): group.tower, (title, "heads"): group.heads}
    interleaved(parts, 1)  # the first pass finds memory for all
    text = interleaved({"text": lambda: _text(built["clip_ac"], device)}, 1, clock)["text"]
    seconds = interleaved(parts, rounds, clock)
    together = table(_HEAD, (_row(clip, title, group, seconds, batch) for title, group in groups.items()))
    since = contents["and methods published since"] - contents["five methods and ten variants"]
    alone = {name: Group(clip, [built[name]], batch) for name in (ONE, *sorted(since))}
    apart = table(["heads", "s an image", "of it in the text tower", "GFLOP"], _heads(alone, batch, clock))
    note = f"The text side of CLIP-AC, once a class and not counted above: {text:.1f} s."
    return f"{together}\n\n{note}\n\n{apart}\n\n{_elsewhere()}"


def _contents(built: Mapping[str, Method]) -> dict[str, set[str]]:
    """The groups to measure, and the systems in each."""
    figure_6 = {f"{ONE}[{variant}]" for variant in FIGURE_6}
    fifteen = {name for name, method in built.items() if method.name in FIVE} - figure_6
    return {
        ALONE: {ONE},
        "five methods and ten variants": fifteen,
        "and methods published since": set(built) - figure_6,
        "and Figure 6": set(built),
    }


def _row(
    clip: Clip, title: str, group: Group, seconds: Mapping[tuple[str, str], float], batch: int
) -> list[str]:
    tower = seconds[title, "tower"]
    return [
        title,
        str(len(group.methods)),
        str(group.streams()),
        f"{tower / batch:.3g}",
        f"{tower / seconds[ALONE, 'tower']:.3f}",
        f"{arithmetic(clip, group.streams()) / arithmetic(clip, 1):.3f}",
        f"{seconds[title, 'heads'] / batch:.3g}",
    ]


def _heads(groups: Mapping[str, Group], batch: int, clock: Callable[[], float]) -> Iterator[list[str]]:
    """What each method adds to the pass, from one warm round; texts of each image said apart."""
    watch = Watch(clock)
    for name, group in groups.items():
        group.tower()
        group.heads()
        began = clock()
        with watch.looking():
            group.heads()
        whole, flop = (clock() - began) / batch, group.methods[0].flop
        text = f"{watch.seconds / batch:.2g}" if watch.seconds else "-"
        yield [name, f"{whole:.2g}", text, f"{flop / 1e9:.3g}" if flop else "-"]


def _elsewhere() -> str:
    """The methods published since that share another tower."""
    towers = {name: _tower(name, block) for name, block in extended_methods().items()}
    others = [f"{name} (`{tower}`)" for name, tower in towers.items() if tower != "main"]
    return (
        f"On another tower: {', '.join(others)}."
        if others
        else "No method published since is on another tower."
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    add_rounds(parser, 1)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        body = measure(arguments.device, arguments.batch, arguments.rounds)
    name = "shared_pass" if arguments.device == "cpu" else "shared_pass_gpu"
    kind = "processor seconds" if arguments.device == "cpu" else "seconds"
    words = (
        f"Medians of {arguments.rounds} interleaved rounds after a warm one, batch {arguments.batch},"
        f" {kind}. Heads are all behind the tower: adaptors, texts of an image, maps, pixel metrics."
        f" {facts(arguments.device)}\n\nFive methods (CLIP, CLIP-AC, VAND, CoOp, AnomalyCLIP) and ten"
        " variants of AnomalyCLIP (base, T1, T2, global only, local only, untrained, object-aware, retuned, a"
        " context of 8, a depth of 4)."
    )
    write_section(name, f"One pass for many methods, {arguments.device}", f"{words}\n\n{body}")
