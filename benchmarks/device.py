"""What a GPU would wait for, counted without one, and what that comes to by a model.

    python -m benchmarks device

The paper's towers and methods run on a stand-in that has shapes and no values (`benchmarks.standin`): one
batch of each tower's widest group, and one training step of each learnt method. The model is of one H100 and
all cells of the paper with one seed; what it assumes stands in `ASSUMED`. Nothing of it was run on a GPU.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.common import facts, table, write_section
from benchmarks.standin import META, Watch
from benchmarks.subjects import blank_set, build, paper_params
from pipeline import methods
from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.execution.counts import DevicePixels
from pipeline.execution.device_masks import DeviceMasks
from pipeline.execution.examples import small_maps
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import tower_spec
from pipeline.methods.base import LearntMethod
from pipeline.metrics import label_masks
from pipeline.params import Params
from pipeline.training import FeatureCache, fit

_LARGE = 1 << 62  # bytes of keys: counted at the end of the group, not in its batches


@dataclass(frozen=True)
class Assumed:
    """What the model takes as given; seconds where nothing else is said.

    Attributes:
        tower: GPU seconds of all images and towers by precision, from operations and rates of parts.
        counting: of a map on the GPU: 6 MB of memory traffic and two sorts of its keys.
        maps: of cells with masks, all of the paper's with one seed.
        cells: all of them.
        before: the processor's, all of it while the GPU waits, as it was when maps were counted there.
        finish: metrics and draws of a cell, on the processor.
        loads: weights, prompts, first kernels.
        launch: of an operation, on the processor, beside the GPU's work.
    """

    tower: dict[str, float]
    counting: float = 2e-4
    maps: int = 273_825
    cells: int = 1_053
    before: float = 1_258.0
    finish: float = 0.116
    loads: float = 40.0
    launch: float = 1e-5


_HOMES = {"cpu": "beside", "meta": "on"}
_BEFORE = {
    "main": ("52", "8.04", "107.06", "1347"),
    "winclip": ("6", "1.36", "1.80", "662"),
    "vand": ("7", "6.73", "8.24", "473"),
    "AnomalyCLIP": ("11", "34.30", "0.00", "1794"),
    "CoOp": ("7", "136.63", "0.00", "1394"),
    "VAND": ("14", "173.78", "0.00", "727"),
}
"""The same, counted so when maps were counted on the processor and every step gathered every tap."""

ASSUMED = Assumed({"float32": 1_520.0, "tf32": 571.0, "float16": 242.0})


def _clip(spec: TowerSpec) -> Clip:
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    return load_clip(spec, device="meta", state_dict=state)


def _masks(count: int, size: int) -> np.ndarray:
    masks = np.zeros((count, size, size), np.uint8)
    masks[: count // 2, : size // 5, : size // 5] = 1
    return masks


def batch_of(params: Params, tower: str) -> tuple[Watch, int]:
    """What the second batch of a tower's widest group does, and the number of its cells."""
    items = [it for it in resolve_systems(params) if it.tower == tower and it.datasets is None]
    spec, batch = tower_spec(params, tower), params.compute.most_images
    with Watch(), torch.inference_mode():
        clip = _clip(spec)
        cells = [build(item, clip) for item in items]
        texts = [method.text_features("bottle") for method in cells]
    states = [DevicePixels(_LARGE) for _ in cells]
    taps = frozenset().union(*(method.taps for method in cells))
    images = torch.zeros(batch, spec.image_size, spec.image_size, 3, dtype=torch.uint8)
    regions = label_masks(_masks(batch, spec.image_size))
    for _ in range(2):
        with Watch() as watch, torch.inference_mode():
            masks = DeviceMasks.of(regions, META)
            features = clip.encode_image(images, taps)
            for method, text, state in zip(cells, texts, states, strict=True):
                scores = method.score(features, text)
                small_maps(scores.maps)
                state.update(scores.maps, masks)
    return watch, len(cells)


def steps_of(params: Params) -> Iterator[tuple[str, str, Watch]]:
    """What the second training step of each learnt method does, with features on the GPU and beside it."""
    for item in resolve_systems(params):
        if item.learnt and not item.system.variant:
            with Watch():
                clip = _clip(tower_spec(params, item.tower))
                method = methods.build(item.system.method, item.settings, clip)
            assert isinstance(method, LearntMethod)  # noqa: S101 - what `learnt` says
            for home in ("cpu", "meta"):
                yield method.title, home, _step(method, home)


def _step(method: LearntMethod, home: str) -> Watch:
    """The difference that a third step makes, so that what begins or ends an epoch is left out."""
    (first, *_) = method.settings.training_on("visa")
    tuned = first.model_copy(update={"epochs": 1})
    settings = method.settings.model_copy(update={"training": tuned})
    size = method.clip.spec.image_size
    with Watch():
        picture = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        read = method.clip.encode_image(picture, method.loss_taps)
    whole = []
    for steps in (1, 2, 3):
        count = steps * tuned.batch
        masks = torch.zeros(count, size, size, dtype=torch.bool)
        cache = FeatureCache(
            {tap: torch.zeros(count, *value.shape[1:], device=home) for tap, value in read.items()},
            torch.zeros(count, dtype=torch.int64, device=home),
            masks.to(home),
            blank_set(count, size),
            META,
        )
        twin = type(method)(settings, method.clip, method.prompts)
        watch = Watch()
        with watch:
            fit(twin, cache, seed=1)
        whole.append(watch)
    return whole[2].less(whole[1])


def modelled(batches: dict[str, tuple[Watch, int]], batch: int) -> list[list[str]]:
    """Rows of precision: minutes and share of time that the GPU waits, before and after."""
    given = ASSUMED
    rows = []
    # Of a map's share of a batch: the launches of its tower's pass among them.
    calls = sum(watch.calls for watch, _ in batches.values())
    launches = given.maps * calls / (batch * sum(cells for _, cells in batches.values())) * given.launch
    serial = given.cells * given.finish + given.loads
    for name, tower in given.tower.items():
        busy = tower + given.maps * given.counting
        before, alone = tower + given.before, max(busy, launches) + serial
        shared = max(busy, (launches + serial) / 2 + given.loads)
        rows.append(
            [
                name,
                *(
                    text
                    for work, wall in ((tower, before), (busy, alone), (busy, shared))
                    for text in (f"{wall / 60:.3g}", f"{1 - work / wall:.0%}")
                ),
            ]
        )
    return rows


def _row(watch: Watch) -> list[str]:
    return [str(watch.waits), *(f"{size / 2**20:.2f}" for size in (watch.up, watch.down)), str(watch.calls)]


def measure() -> str:
    """The section."""
    params = paper_params()
    batches = {tower: batch_of(params, tower) for tower in params.towers}
    head = ["waits", "MiB up", "MiB down", "operations"]
    evaluation = table(
        ["a batch of", "cells", *head, *(f"{name} before" for name in head)],
        [
            [f"{name}, {params.compute.most_images} images", str(cells), *_row(watch), *_BEFORE[name]]
            for name, (watch, cells) in batches.items()
        ],
    )
    training = table(
        ["a training step of", *head, *(f"{name} before" for name in head)],
        [
            [f"{title}, features {_HOMES[home]} the GPU", *_row(watch), *_BEFORE[title]]
            for title, home, watch in steps_of(params)
        ],
    )
    model = table(
        [
            "model, one H100",
            "min, counted on the processor",
            "GPU waits",
            "min, counted on the GPU",
            "GPU waits",
            "min, two workers a GPU",
            "GPU waits",
        ],
        modelled(batches, params.compute.most_images),
    )
    return f"{evaluation}\n\n{training}\n\n{model}"


def options(parser: argparse.ArgumentParser) -> None:
    """Nothing may be chosen."""


def run(arguments: argparse.Namespace) -> None:  # noqa: ARG001
    """Count and write the section."""
    torch.set_num_threads(1)
    words = (
        "No GPU took part: waits, bytes and operations are counted on a stand-in, minutes are a model's (its"
        f" assumptions are in the module), of all cells of the paper with one seed. {facts()}"
    )
    write_section("device", "What a GPU waits for", f"{words}\n\n{measure()}")
