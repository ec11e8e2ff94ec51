"""What a tower costs in a profile, from its shapes alone: operations, bytes and passes.

A multiplication and an addition are two operations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import methods
from pipeline.clip import Clip, Tap, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.memory import pass_bytes, tap_bytes
from pipeline.clip.spec import Local, Windows
from pipeline.execution.systems import trained_on
from pipeline.execution.tasks import tower_spec
from pipeline.methods.base import LearntMethod, LearntSettings, Method
from pipeline.methods.batch import BatchMethod
from pipeline.params import Params
from pipeline.plan import Group, ResolvedSystem

STEP_IMAGES = 0.1
"""A step of training in passes of an image: AnomalyCLIP's are 0.04 (benchmarks/RESULTS.md), VAND's 0.2."""

_FLOAT = 4  # bytes
_LEARNING = 3  # forwards once, backwards as much again for the inputs and for the parameters


@dataclass(frozen=True)
class TowerCost:
    """What a tower costs with all taps that a profile reads.

    Attributes:
        flop: operations an image.
        features: bytes an image of the taps that are kept while methods are tuned.
        weights: bytes of both towers in float32.
        memory: bytes an image that a pass needs besides, about.
        images: passes of an image in evaluation.
        tuned: passes of an image for tuning.
        steps: of all trainings.
        own: system to operations of what it does beside the tower in evaluation: an adaptor, a text of each
            image; only those that do anything.
        tuning: likewise in tuning.
        precision: of its blocks.
    """

    flop: float
    features: int
    weights: int
    memory: int
    images: int
    tuned: int
    steps: int
    own: dict[str, float]
    tuning: dict[str, float]
    precision: str

    @property
    def passes(self) -> float:
        """All of it, in passes of an image."""
        return self.images + self.tuned + STEP_IMAGES * self.steps


def tower_costs(
    params: Params, systems: Sequence[ResolvedSystem], groups: Sequence[Group], images: Mapping[str, int]
) -> tuple[dict[str, TowerCost], int, int]:
    """Every tower that is used; bytes of the largest features that are kept; number of trainings."""
    costs: dict[str, TowerCost] = {}
    largest = trainings = 0
    for name in dict.fromkeys(group.tower for group in groups):
        clip, config = _shapes(params, name)
        built = [
            (it, methods.build(it.system.method, it.settings, clip)) for it in systems if it.tower == name
        ]
        own, tuning = _beside(built, [group for group in groups if group.tower == name])
        tuned = [method for it, method in built if it.learnt and isinstance(method, LearntMethod)]
        learnt = frozenset[Tap]().union(*(method.loss_taps for method in tuned))
        features = sum(tap_bytes(clip, tap) for tap in learnt)
        sets: set[str] = set()
        steps, redrawn = 0, 0.0
        for resolved, method in built:
            for auxiliary in trained_on(params, resolved):
                sets.add(auxiliary)
                redrawn += len(params.seeds) * _redrawn(method, auxiliary, images[auxiliary])
                if (system := resolved.system.name) in tuning and isinstance(method, LearntMethod):
                    passes = len(params.seeds) * _epochs(method, auxiliary) * images[auxiliary]
                    tuning[system] += _LEARNING * passes * method.loss_flop
                trainings += len(params.seeds)
                steps += len(params.seeds) * _steps(method, auxiliary, images[auxiliary])
        largest = max([largest, *(images[auxiliary] * features for auxiliary in sets)])
        whole = sum(tap_bytes(clip, tap) for _, it in built if isinstance(it, BatchMethod) for tap in it.taps)
        subsets = [it.images for it in groups if (it.tower, it.track) == (name, BatchMethod.track)]
        largest = max([largest, *(count * whole for count in subsets)])
        taps = frozenset[Tap]().union(*(method.taps for _, method in built))
        costs[name] = TowerCost(
            flop=flop(config["vision_cfg"], config["embed_dim"], clip.spec.image_size, taps),
            features=features,
            weights=sum(tensor.numel() for tensor in clip.weights) * _FLOAT,
            memory=pass_bytes(clip, taps),
            images=sum(group.images for group in groups if group.tower == name),
            tuned=sum(images[auxiliary] for auxiliary in sets) + round(redrawn),
            steps=steps,
            own=own,
            tuning=tuning,
            precision=clip.spec.precision,
        )
    return costs, largest, trainings


def _beside(
    built: Sequence[tuple[ResolvedSystem, Method]], groups: Sequence[Group]
) -> tuple[dict[str, float], dict[str, float]]:
    """Operations in evaluation of the systems that do anything beside the tower; those in tuning, still 0."""
    own: dict[str, float] = {}
    for resolved, method in built:
        cells = (
            group.images for group in groups for it in group.cells if it.resolved.system == resolved.system
        )
        if flop := sum(_own(method, images) for images in cells):
            own[resolved.system.name] = flop
    return own, dict.fromkeys(own, 0.0)


def _own(method: Method, images: int) -> float:
    return method.subset_flop(images) if isinstance(method, BatchMethod) else images * method.flop


def _shapes(params: Params, tower: str) -> tuple[Clip, dict[str, Any]]:
    """A tower without values, and its config."""
    spec = tower_spec(params, tower)
    config = read_config(spec.model)
    state = build_model(config, spec.activation, device="meta").state_dict()
    return load_clip(spec, device="meta", state_dict=state), config


def _redrawn(method: Method, auxiliary: str, images: int) -> float:
    """Images that a training passes through the tower again because it redraws them."""
    if not isinstance(method.settings, LearntSettings):
        return 0.0
    stages = method.settings.training_on(auxiliary)
    return sum(training.epochs * training.redrawn * images for training in stages)


def _epochs(method: Method, auxiliary: str) -> int:
    if not isinstance(method.settings, LearntSettings):
        return 0
    return sum(training.epochs for training in method.settings.training_on(auxiliary))


def _steps(method: Method, auxiliary: str, images: int) -> int:
    if not isinstance(method.settings, LearntSettings):
        return 0
    stages = method.settings.training_on(auxiliary)
    return sum(training.epochs * math.ceil(images / training.batch) for training in stages)


def flop(vision: Mapping[str, Any], joint: int, image_size: int, taps: frozenset[Tap]) -> float:
    """Operations of one image in the blocks, the extra streams, the windows and the projections of `taps`.

    Of L tokens of width W a block's matrices take 24 L W², its attention 4 L² W; an extra stream takes one
    attention and one projection a block, 4 L² W + 2 L W².

    Args:
        vision: `vision_cfg` of an open_clip config.
        joint: channels of the joint space.
        image_size: side of the image in pixels.
        taps: what is read.
    """
    width, layers, patch = (int(vision[key]) for key in ("width", "layers", "patch_size"))
    patches = (image_size // patch) ** 2

    def blocks(tokens: int) -> float:
        return float(layers * (24 * tokens * width**2 + 4 * tokens**2 * width))

    total = blocks(patches + 1) if any(not isinstance(tap, Windows) for tap in taps) else 0.0
    total += 2 * patches * 3 * patch**2 * width
    deepest: dict[tuple[str, int], int] = {}
    for tap in taps:
        match tap:
            case Local():
                total += 2 * patches * width * joint if tap.projected else 0
                if tap.stream != "qk":
                    stream = (tap.stream, tap.start)
                    deepest[stream] = max(deepest.get(stream, 0), tap.layer)
            case Windows():
                total += (image_size // patch - tap.size + 1) ** 2 * blocks(tap.size**2 + 1)
    tokens = patches + 1
    for (_, start), layer in deepest.items():
        total += (layer - start + 1) * (4 * tokens**2 * width + 2 * tokens * width**2)
    return total
