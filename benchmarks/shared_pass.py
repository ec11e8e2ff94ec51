"""Five methods and ten variants on one tower against one method, at ViT-L/14@336 and 518 px.

    python -m benchmarks shared_pass
    python -m benchmarks shared_pass --device cuda --batch 8

The five are CLIP, CLIP-AC, VAND, CoOp and AnomalyCLIP, VAND put on the tower of the others. The ten are
variants of AnomalyCLIP: base, T1, T2, global only, local only, untrained and object-aware of the paper's
ablations, the retuned one, and a shorter and a shallower prompt. The one is AnomalyCLIP. Counted is all
that an image costs: tower, maps, pixel metrics. Figure 6 adds two attention streams, Q-Q and K-K, which
have a price by arithmetic: a block is 24 W²L + 4 W L² operations, a stream adds 2 W²L + 4 W L² to each of
blocks 6 to 24.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.common import facts, interleaved, synchronise, table, write_section
from benchmarks.subjects import build, paper_params, paper_values, random_clip, random_images
from pipeline.clip import Clip, Local
from pipeline.execution.systems import resolve_systems
from pipeline.methods.base import Method
from pipeline.metrics import PixelState, label_masks
from pipeline.plan import ResolvedSystem

ONE = "anomalyclip"
FIVE = ("clip", "clip_ac", "vand", "coop", ONE)
FIGURE_6 = ("qq", "kk")
SIZE = 518


def systems() -> list[ResolvedSystem]:
    """Five methods, ten variants, and the two of Figure 6, all on the tower `main`."""
    values = paper_values()
    chosen: dict[str, dict[str, Any]] = {name: values["methods"][name] | {"tower": "main"} for name in FIVE}
    variants = {ONE: values["variants"][ONE] | {"length_8": {"n_ctx": 8}, "depth_4": {"deep_layers": 4}}}
    retuned = {name: block | {"methods": [ONE]} for name, block in values["retuned"].items()}
    changes = {"methods": chosen, "variants": variants, "retuned": retuned}
    return list(resolve_systems(paper_params(changes)))


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

    def streams(self) -> int:
        """Extra attention streams of the pass."""
        return len({tap.stream for tap in self._taps if isinstance(tap, Local)} - {"qk"})

    def run(self) -> None:
        """One batch from images to pixel states."""
        features = self._clip.encode_image(self._images, self._taps)
        regions = label_masks(self._masks)
        for method, text, state in zip(self.methods, self._texts, self._states, strict=True):
            state.update(method.score(features, text).maps, regions)
        synchronise(self._clip.device.type)


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
    """The table."""
    clock: Callable[[], float] = time.process_time if device == "cpu" else time.perf_counter
    clip = random_clip(size=SIZE, device=device)
    methods = {item.system.name: build(item, clip) for item in systems()}
    figure_6 = {f"{ONE}[{variant}]" for variant in FIGURE_6}
    fifteen = [method for label, method in methods.items() if label not in figure_6]
    groups = {
        "AnomalyCLIP alone": Group(clip, [methods[ONE]], batch),
        "five methods and ten variants": Group(clip, fifteen, batch),
        "and Figure 6": Group(clip, list(methods.values()), batch),
    }
    contenders = {name: group.run for name, group in groups.items()}
    interleaved(contenders, 1)  # the first pass finds memory for all
    text = interleaved({"text": lambda: _text(methods["clip_ac"], device)}, 1, clock)["text"]
    seconds = interleaved(contenders, rounds, clock)
    base = seconds["AnomalyCLIP alone"]
    floor = arithmetic(clip, 1)
    rows = [
        [
            name,
            str(len(group.methods)),
            str(group.streams()),
            f"{seconds[name] / batch:.3g}",
            f"{seconds[name] / base:.3f}",
            f"{arithmetic(clip, group.streams()) / floor:.3f}",
        ]
        for name, group in groups.items()
    ]
    head = [
        "",
        "cells",
        "streams",
        "s an image",
        "times AnomalyCLIP alone",
        "the same by operations of the tower",
    ]
    note = f"The text side of CLIP-AC, once a class and not counted above: {text:.1f} s."
    return table(head, rows) + "\n\n" + note


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        body = measure(arguments.device, arguments.batch, arguments.rounds)
    name = "shared_pass" if arguments.device == "cpu" else "shared_pass_gpu"
    kind = "processor seconds" if arguments.device == "cpu" else "seconds"
    words = (
        f"Medians of {arguments.rounds} interleaved rounds after a warm one, batch {arguments.batch},"
        f" {kind}."
        f" {facts(arguments.device)}\n\nFive methods (CLIP, CLIP-AC, VAND, CoOp, AnomalyCLIP) and ten"
        " variants of AnomalyCLIP (base, T1, T2, global only, local only, untrained, object-aware, retuned, a"
        " context of 8, a depth of 4)."
    )
    write_section(name, f"One pass for many methods, {arguments.device}", f"{words}\n\n{body}")
