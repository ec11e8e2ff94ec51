"""Training from cached features against training with a tower pass a batch; same seed, order and losses.

    python -m benchmarks training
    python -m benchmarks training --device cuda

Both are run to the end, 15 epochs, and the parameters are compared: at miniature shapes on a whole data set,
at the paper's shapes (ViT-L/14@336, 518 px) on few images, so that a CPU gets through. For a whole auxiliary
set at those shapes a step of 8 from features is run 15 times, the tower pass is measured on its own, and 15
epochs are added up from both.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.common import add_rounds, facts, interleaved, synchronise, table, write_section
from benchmarks.miniature import miniature_params, project
from benchmarks.subjects import blank_set, build, paper_params, random_clip, random_images
from pipeline import methods
from pipeline.clip import Clip, Tap, load_clip
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import tower_spec
from pipeline.execution.training import auxiliary_set
from pipeline.methods.base import Batch, LearntMethod
from pipeline.training import AuxiliarySet, FeatureCache, collect_features
from pipeline.training.fit import fit

EPOCHS = 15
BATCH = 8
SIZE = 518
METHODS = ("anomalyclip", "coop")


@dataclass(frozen=True)
class ThroughTower(FeatureCache):
    """The same batches, with a tower pass each."""

    clip: Clip
    images: Tensor

    def batch(self, rows: Tensor, taps: frozenset[Tap]) -> Batch:  # type: ignore[override]
        """The images of `rows`, passed through the tower now."""
        kept = super().batch(rows, ())
        return Batch(
            self.clip.encode_image(self.images[rows], taps), kept.labels, kept.masks, kept.class_names
        )


def _learnt(name: str, clip: Clip, settings: dict[str, object]) -> LearntMethod:
    method = methods.build(name, settings | {"training": {"epochs": EPOCHS, "batch": BATCH}}, clip)
    if not isinstance(method, LearntMethod):
        raise TypeError(name)
    return method


def _clock(device: str) -> Callable[[], float]:
    """Processor seconds, or wall seconds after all that a GPU has in hand."""

    def on_gpu() -> float:
        synchronise(device)
        return time.perf_counter()

    return time.process_time if device == "cpu" else on_gpu


def miniature(device: str, rounds: int) -> list[list[str]]:
    """Both ways to the end on the miniature's BTAD: rows of the table. Inside a project."""
    params = miniature_params()
    clip = load_clip(tower_spec(params, "main"), device)
    auxiliary = auxiliary_set(params, "btad", clip.spec.image_size)
    return [
        _both_ways(_learnt(name, clip, params.methods[name]), clip, auxiliary, rounds, "miniature")
        for name in METHODS
    ]


def _both_ways(
    method: LearntMethod, clip: Clip, auxiliary: AuxiliarySet, rounds: int, shapes: str
) -> list[str]:
    states: dict[str, dict[str, Tensor]] = {}

    def from_features() -> None:
        fit(method, collect_features(clip, auxiliary, method.loss_taps), seed=111)
        states["features"] = method.state()

    kept = collect_features(clip, auxiliary, method.loss_taps)
    images = torch.from_numpy(auxiliary.images.copy())
    tower = ThroughTower({}, kept.labels, kept.masks, kept.auxiliary, kept.device, clip, images)
    clock = _clock(clip.device.type)

    def through_tower() -> None:
        fit(method, tower, seed=111)
        states["tower"] = method.state()

    seconds = interleaved({"features": from_features, "tower": through_tower}, rounds, clock)
    apart = max(
        float((value - states["tower"][name]).abs().max()) for name, value in states["features"].items()
    )
    return [
        f"{method.title}, {shapes}, {len(auxiliary)} images, run",
        f"{seconds['tower']:.3g}",
        f"{seconds['features']:.3g}",
        f"{seconds['tower'] / seconds['features']:.1f}",
        f"{apart:.1g}",
    ]


def paper_run(device: str, count: int, rounds: int) -> list[str]:
    """Both ways to the end at the paper's shapes, on `count` random images, half of them anomalous."""
    clip = random_clip(size=SIZE, device=device)
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.bool)
    masks[: count // 2, 100:200, 100:200] = True
    labels = masks.flatten(1).any(1).long()
    images = random_images(count, SIZE).numpy()
    auxiliary = AuxiliarySet("visa", images, masks.numpy(), labels.numpy(), ("bottle",) * count)
    return _both_ways(_paper_method(clip), clip, auxiliary, rounds, "ViT-L/14 518 px")


def _paper_method(clip: Clip) -> LearntMethod:
    (item,) = (item for item in resolve_systems(paper_params()) if item.system.name == "anomalyclip")
    method = build(item, clip)
    if not isinstance(method, LearntMethod):
        raise TypeError(method.name)
    return method


def paper_shapes(device: str, images: int) -> list[str]:
    """One step an epoch at the paper's shapes from real features of one image, and the pass on its own."""
    clip, clock = random_clip(size=SIZE, device=device), _clock(device)
    method = _paper_method(clip)
    picture = random_images(1, SIZE)
    clip.encode_image(picture, method.loss_taps)  # loads what the first pass loads
    began = clock()
    features = clip.encode_image(picture, method.loss_taps)
    tower = clock() - began
    masks = torch.zeros(BATCH, SIZE, SIZE, dtype=torch.bool)
    masks[: BATCH // 2, 100:200, 100:200] = True
    cache = FeatureCache(
        {tap: value.expand(BATCH, *value.shape[1:]).contiguous() for tap, value in features.items()},
        masks.flatten(1).any(1).long().to(clip.device),
        masks.to(clip.device),
        blank_set(BATCH, SIZE),
        clip.device,
    )
    began = clock()
    fit(method, cache, seed=111)
    step = (clock() - began) / EPOCHS
    steps = images / BATCH
    through, cached = EPOCHS * (images * tower + steps * step), images * tower + EPOCHS * steps * step
    return [
        f"AnomalyCLIP, ViT-L/14 518 px, {images} images, added up",
        f"{through:.3g}",
        f"{cached:.3g}",
        f"{through / cached:.1f}",
        f"pass {tower:.1f} s an image, step of 8 {step:.2f} s",
    ]


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    add_rounds(parser, 3)
    parser.add_argument("--images", type=int, default=1725, help="of the auxiliary set; MVTec AD has 1725")
    parser.add_argument("--run", type=int, default=2, help="images on which the paper's shapes are run")


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    torch.set_num_threads(1)
    device = arguments.device
    with project():
        rows = miniature(device, arguments.rounds)
    rows += [paper_run(device, arguments.run, 1), paper_shapes(device, arguments.images)]
    head = [
        f"{EPOCHS} epochs, {'CPU ' if device == 'cpu' else ''}seconds",
        "tower each time",
        "from features",
        "ratio",
        "parameters apart, at most",
    ]
    words = (
        "Passing the images once is part of the time from features. 15 is the limit of the ratio, reached"
        f" where a step costs nothing beside a pass. {facts(device)}"
    )
    write_section(
        "training" if device == "cpu" else "training_gpu",
        f"Training from features, {device}",
        f"{words}\n\n{table(head, rows)}",
    )
