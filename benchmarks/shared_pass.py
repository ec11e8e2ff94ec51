"""Five methods and ten variants on one tower against one method, at the paper's shapes (ViT-L/14@336, 518 px).

    python -m benchmarks.shared_pass
    python -m benchmarks.shared_pass --device cuda --batch 8

The five are CLIP, CLIP-AC, VAND, CoOp and AnomalyCLIP, VAND put on the tower of the others; the ten are the nine
ablations of AnomalyCLIP and its retuned form. The one is AnomalyCLIP. Counted is all that an image costs: tower,
maps, pixel metrics. The three streams that Figure 6 needs beyond the one of AnomalyCLIP have a price by arithmetic:
a block costs 24 W²L + 4 W L² operations, a stream adds 2 W²L + 4 W L² to blocks 6 to 24.
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
from pipeline.execution.entries import Resolved, resolve_entries
from pipeline.methods.base import Method
from pipeline.metrics import PixelState, label_masks

ONE = "anomalyclip"
FIVE = ("clip", "clip_ac", "vand", "coop", ONE)
SIZE = 518


def entries() -> list[Resolved]:
    """Five methods and ten variants, all on the tower `main`."""
    values = paper_values()
    chosen: dict[str, dict[str, Any]] = {name: values["methods"][name] | {"tower": "main"} for name in FIVE}
    retuned = {name: block | {"methods": [ONE]} for name, block in values["retuned"].items()}
    return list(resolve_entries(paper_params({"methods": chosen, "retuned": retuned})))


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
    methods = [build(item, clip) for item in entries()]
    one = next(method for method in methods if method.name == ONE)
    without = [method for method in methods if not _figure_6(method)]
    groups = {
        "AnomalyCLIP alone": Group(clip, [one], batch),
        f"{len(without)} cells, without Figure 6": Group(clip, without, batch),
        f"{len(methods)} cells, all": Group(clip, methods, batch),
    }
    began = clock()
    groups[f"{len(methods)} cells, all"].methods[1].text_features("screw")
    text = clock() - began
    seconds = interleaved({name: group.run for name, group in groups.items()}, rounds, clock)
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


def _figure_6(method: Method) -> bool:
    return getattr(method.settings, "attention", "") in {"qq", "kk"}


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        body = measure(arguments.device, arguments.batch, arguments.rounds)
    name = "shared_pass" if arguments.device == "cpu" else "shared_pass_gpu"
    kind = "processor seconds" if arguments.device == "cpu" else "seconds"
    words = (
        f"Medians of {arguments.rounds} interleaved rounds, batch {arguments.batch}, {kind}."
        f" {facts(arguments.device)}\n\nFive methods (CLIP, CLIP-AC, VAND, CoOp, AnomalyCLIP) and ten variants of"
        " AnomalyCLIP (base, T1, T2, global only, local only, untrained, object-aware, Q-Q, K-K, retuned)."
    )
    write_section(name, f"One pass for many methods, {arguments.device}", f"{words}\n\n{body}")


if __name__ == "__main__":
    main()
