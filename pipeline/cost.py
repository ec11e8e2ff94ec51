"""What each system of a run costs, measured: parameters, operations, time, memory, training.

Each system stands alone on its tower, with random weights and noise: what is paid does not depend on values,
and nothing has to be there. All systems take turns, so that other load of the machine meets them alike; times
are medians over the rounds, after one that counts for nothing. Operations are those of matrix products and
convolutions, counted by torch on tensors without values. Training is measured as steps on cached features of
one batch, and put together: a tower pass for every image of the auxiliary set, and all its steps.
"""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline import methods
from pipeline.cells import members
from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ParamsError
from pipeline.execution.batches import release_memory
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import tower_spec
from pipeline.methods.base import LearntMethod, Method
from pipeline.params import Params
from pipeline.plan import ResolvedSystem
from pipeline.price import count_images
from pipeline.results.cost import Costs, SystemCost
from pipeline.speed import machine
from pipeline.training import AuxiliarySet, collect_features, fit

_GIGA, _MILLI, _MIB = 1e9, 1e-3, 2**20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak of the resident set becomes its present size
_SEED = 111
_CLASS = "object"

T = TypeVar("T")


def measure(
    params: Params, *, device: str, rounds: int, announce: Callable[[str], None] = lambda _: None
) -> Costs:
    """Cost of every system of the main track; those that differ in their auxiliary set alone cost the same.

    Args:
        params: of the run; `compute` says the batch and the threads.
        device: `cpu` or `cuda`.
        rounds: in which all systems take turns, at least 1.
        announce: called with a line for each part of the work.

    Raises:
        ParamsError: settings that cannot be used, or a GPU that is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ParamsError("this machine has no CUDA device that torch can use: take `--device cpu`")
    batch = params.compute.batch
    if batch == "auto":
        raise ParamsError("params.yaml: compute.batch: costs are compared at one batch; give a number")
    torch.set_num_threads(params.compute.threads)
    systems = [it for it in resolve_systems(params) if it.datasets is None and it.track == "main"]
    if not systems:
        raise ParamsError(
            "params.yaml: methods: costs are those of one image; name a method of the main track"
        )
    if wrong := next((it.error for it in systems if it.error), None):
        raise ParamsError(wrong)
    auxiliary = params.protocols[0]
    images = sum(sum(count_images(params, name)[0].values()) for name in members(auxiliary))
    announce(f"building {len(systems)} systems on random weights")
    benches = list(_benches(params, systems, device, batch, auxiliary))
    for number in range(rounds + 1):
        announce(f"round {number} of {rounds}" if number else "a round that counts for nothing")
        for bench in benches:
            bench.turn(number)
    return Costs(
        profile=params.profile,
        device=torch.cuda.get_device_name() if device == "cuda" else str(machine()["processor"]),
        machine=machine(),
        threads=torch.get_num_threads(),
        batch=batch,
        rounds=rounds,
        auxiliary=auxiliary,
        images=images,
        systems=tuple(bench.cost(images) for bench in benches),
    )


def _benches(
    params: Params, systems: Sequence[ResolvedSystem], device: str, batch: int, auxiliary: str
) -> Iterator["_Bench"]:
    """Of every system; those of one tower share its weights."""
    towers: dict[str, Clip] = {}
    for resolved in systems:
        if resolved.tower not in towers:
            towers[resolved.tower] = _random_tower(tower_spec(params, resolved.tower), device)
        yield _Bench(resolved, towers[resolved.tower], batch, auxiliary)


def _random_tower(spec: TowerSpec, device: str) -> Clip:
    made = "meta" if device == "meta" else "cpu"
    state = build_model(read_config(spec.model), spec.activation, device=made).state_dict()
    return load_clip(spec, device=device, state_dict=state)


def operations(resolved: ResolvedSystem, spec: TowerSpec) -> tuple[float, float]:
    """Operations of an image, tower and head, and of the text side of a class, 0 without one.

    Nothing is computed. A multiplication and an addition are two operations; of anything but matrix products
    and convolutions there are few, and they are not counted.
    """
    clip = _random_tower(spec, "meta")
    method = methods.build(resolved.system.method, resolved.settings, clip)
    image = torch.empty(1, spec.image_size, spec.image_size, 3, dtype=torch.uint8)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # which is made of products that are counted
        with FlopCounterMode(display=False) as of_text:
            text = method.text_features(_CLASS)
        with FlopCounterMode(display=False) as of_image:
            method.score(clip.encode_image(image, method.taps), text)
    return float(of_image.get_total_flops()), float(of_text.get_total_flops())


class _Bench:
    """One system on its tower, and noise to pass through it."""

    def __init__(self, resolved: ResolvedSystem, clip: Clip, batch: int, auxiliary: str) -> None:
        self._resolved, self._clip = resolved, clip
        self._method = methods.build(resolved.system.method, resolved.settings, clip)
        self._images = torch.from_numpy(_noise(batch, clip.spec.image_size))
        self._training = _Training(self._method, auxiliary, batch) if resolved.learnt else None
        self._rounds: dict[str, list[float]] = defaultdict(list)

    def turn(self, number: int) -> None:
        """One round; number 0 warms up and counts for nothing."""
        if number == 1:
            self._rounds.clear()
        before = _begin_peak(self._clip.device)
        with torch.inference_mode():
            features = self._timed("tower", lambda: self._clip.encode_image(self._images, self._method.taps))
            # A name that nobody has asked for: text sides are remembered.
            text = self._timed("text", lambda: self._method.text_features(f"{_CLASS} {number}"))
            self._timed("head", lambda: self._method.score(features, text))
        if before is not None:
            self._rounds["memory"].append(max(0, _peak(self._clip.device) - before))
        if self._training is not None:
            self._timed("training", self._training.run)

    def _timed(self, name: str, work: Callable[[], T]) -> T:
        self._wait()
        began = time.perf_counter()
        result = work()
        self._wait()
        self._rounds[name].append(time.perf_counter() - began)
        return result

    def _wait(self) -> None:
        if self._clip.device.type == "cuda":
            torch.cuda.synchronize()

    def cost(self, images: int) -> SystemCost:
        """What all rounds came to; `images` are those of the auxiliary set."""
        median = {name: statistics.median(found) for name, found in self._rounds.items()}
        tower, head = (median[part] / len(self._images) for part in ("tower", "head"))
        of_image, of_text = operations(self._resolved, self._clip.spec)
        weights, training = self._clip.weights, self._training
        held = sum(tensor.nbytes for tensor in weights)
        return SystemCost(
            **self._resolved.system._asdict(),
            title=self._resolved.title or self._resolved.system.method,
            learnt=training.parameters if training else 0,
            frozen=sum(tensor.numel() for tensor in weights),
            image_gflop=of_image / _GIGA,
            text_gflop=of_text / _GIGA if of_text else None,
            tower_ms=tower / _MILLI,
            head_ms=head / _MILLI,
            text_ms=median["text"] / _MILLI if of_text else None,
            memory_mib=(held + median["memory"]) / _MIB if "memory" in median else None,
            training_s=training.seconds(images, tower, median["training"]) if training else None,
            epochs=training.epochs if training else None,
        )


class _Training:
    """The tuning of a learnt system on one batch, so that an epoch is as few steps as there can be."""

    def __init__(self, method: Method, auxiliary: str, batch: int) -> None:
        assert isinstance(method, LearntMethod)  # noqa: S101 - of a learnt system
        self._method = method
        self._stages = method.settings.training_on(auxiliary)
        count, size = max(stage.batch for stage in self._stages), method.clip.spec.image_size
        masks = np.zeros((count, size, size), np.uint8)
        masks[: count // 2, : size // 4, : size // 4] = 1
        labels = masks.reshape(count, -1).max(axis=1).astype(np.int64)
        pictures = AuxiliarySet(auxiliary, _noise(count, size), masks, labels, [_CLASS] * count)
        self._cache = collect_features(method.clip, pictures, method.loss_taps, batch=batch)

    @property
    def parameters(self) -> int:
        """How many are tuned."""
        return sum(parameter.numel() for parameter in self._method.trainable().parameters())

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self._stages)

    def run(self) -> None:
        """All epochs on the one batch."""
        fit(self._method, self._cache, seed=_SEED)

    def seconds(self, images: int, tower: float, run: float) -> float | None:
        """Of a tuning on so many images, given the seconds of one in the tower and of `run`."""
        if not self.epochs:
            return None
        return images * tower + run * self._steps(images) / self._steps(len(self._cache))

    def _steps(self, images: int) -> int:
        return sum(stage.epochs * math.ceil(images / stage.batch) for stage in self._stages)


def _noise(count: int, size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def _begin_peak(device: torch.device) -> int | None:
    """Bytes in use, of which the peak begins anew; None where the system has no such peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.memory_allocated())
    release_memory()
    try:
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return None
    return _resident("VmRSS")


def _peak(device: torch.device) -> int:
    return int(torch.cuda.max_memory_allocated()) if device.type == "cuda" else _resident("VmHWM")


def _resident(name: str) -> int:
    """Bytes of this process in memory: now (`VmRSS`), or at its peak (`VmHWM`)."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return 1024 * int(lines[name].split()[0])
