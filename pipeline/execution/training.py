"""Tune the learnt methods and variants on one auxiliary set, from prepared images to weights files.

The tower passes the images once; every method, variant and seed trains from those features. A system that
cannot be tuned for a reason that lies in data, params or its own code is written down beside the weights,
and its cells fail by name in evaluate. What another try may fix (memory, disk) fails the stage instead,
which DVC then runs again. Training on what is left of a broken auxiliary set is refused: the weights would
be those of another data set under the same name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline import methods
from pipeline.cells import UNION, System, members
from pipeline.clip import Clip, load_clip
from pipeline.clip.features import features_folder
from pipeline.clip.memory import fitting_batch
from pipeline.errors import DataError, DiskFullError, ParamsError, TrainingError, ZsadError
from pipeline.execution.retries import device_is_lost, out_of_memory
from pipeline.execution.systems import clear_weights, resolve_systems, trained_on, weights_name, write_status
from pipeline.execution.tasks import tower_spec
from pipeline.files import write_json
from pipeline.methods.base import LearntMethod
from pipeline.params import Params
from pipeline.plan import ResolvedSystem
from pipeline.shards import open_subset, read_manifest, verify_subset
from pipeline.training import AuxiliarySet, FeatureCache, History, collect_features, fit, save_checkpoint

Watch = Callable[[str, int, int], None]
"""Is told what is under way, such as the tower's pass, and how much of it is done, of how much."""

Job = tuple[str, Callable[[], History]]
"""Name of a weights file, and what tunes it, writes it and returns its losses.

It raises `TrainingError` where the system cannot be tuned; the reason is then in `Trainer.failed`.
"""


def auxiliary_set(params: Params, auxiliary: str, size: int) -> AuxiliarySet:
    """The test split of `auxiliary` at one resolution, all subsets; of a union one member after another.

    Raises:
        DataError: a subset could not be prepared or is damaged, or a member has no masks.
    """
    shards, masks = [], []
    for member in members(auxiliary):
        folder = params.shards / member
        for entry in read_manifest(folder).subsets:
            shard = open_subset(folder, entry.name, size)
            verify_subset(folder, shard.subset, size)
            mask = shard.masks(0, len(shard))
            if mask is None:
                raise DataError(f"{member} has no masks and cannot be an auxiliary set")
            shards.append(shard)
            masks.append(mask)
    return AuxiliarySet(
        name=auxiliary,
        images=np.concatenate([shard.images for shard in shards]),
        masks=np.concatenate(masks),
        labels=np.concatenate([shard.labels for shard in shards]),
        class_names=[shard.class_name for shard in shards for _ in range(len(shard))],
    )


def _unwatched(_what: str, _done: int, _total: int) -> None:
    """Where nobody looks."""


class Trainer:
    """Everything that is tuned on one auxiliary set.

    Attributes:
        trained: weights files that are written.
        failed: weights files that cannot be made, and why.
    """

    def __init__(self, params: Params, auxiliary: str) -> None:
        if auxiliary not in params.trained_on:
            key, known = (
                ("unions", params.unions) if UNION in auxiliary else ("auxiliaries", params.auxiliaries)
            )
            there = ", ".join(known) or "none"
            raise ParamsError(f"params.yaml: {key}: {auxiliary!r} is not among them; there are {there}")
        self._params, self._auxiliary = params, auxiliary
        self._folder = params.weights / auxiliary
        self.trained: list[str] = []
        self.failed: dict[str, str] = {}
        torch.set_num_threads(params.compute.threads)

        self._by_tower: dict[str, list[ResolvedSystem]] = defaultdict(list)
        for item in resolve_systems(params):
            if not item.error and auxiliary in trained_on(params, item):
                self._by_tower[item.tower].append(item)

    def __len__(self) -> int:
        """Weights files that are wanted."""
        return len(self._params.seeds) * sum(map(len, self._by_tower.values()))

    def jobs(self, watch: Watch | None = None) -> Iterator[Job]:
        """Every job, tower by tower; features are collected when the first job of a tower is asked for.

        What an earlier training wrote is removed first.
        """
        clear_weights(self._folder)
        for tower, items in self._by_tower.items():
            yield from self._tower_jobs(tower, items, watch or _unwatched)

    def _tower_jobs(self, tower: str, items: list[ResolvedSystem], watch: Watch) -> Iterator[Job]:
        spec = tower_spec(self._params, tower)
        try:
            auxiliary = auxiliary_set(self._params, self._auxiliary, spec.image_size)
        except DataError as error:
            for item in items:
                self._fail(item.system, error)
            return
        clip = load_clip(spec, device=self._params.compute.device)
        built = self._built(items, clip)
        if not built:
            return
        taps = frozenset().union(*(method.loss_taps for method in built.values()))
        with features_folder() as folder:
            compute = self._params.compute
            try:
                cache = collect_features(
                    clip,
                    auxiliary,
                    taps,
                    batch=fitting_batch(clip, taps, share=compute.fitted_to, most=compute.most_images),
                    folder=folder,
                    progress=partial(watch, f"images through the tower {tower}"),
                )
            except DiskFullError:
                raise  # nothing is wrong with the data: the stage is to run again
            except DataError as error:
                for system in built:
                    self._fail(system, error)
                return
            for system, method in built.items():
                for seed in self._params.seeds:
                    name = weights_name(system, seed)
                    told = partial(watch, f"epochs of {Path(name).stem}")
                    yield name, partial(self._tune, system, method, seed, cache, told)

    def _built(self, items: list[ResolvedSystem], clip: Clip) -> dict[System, LearntMethod]:
        """The methods that can be built on `clip`; the others are written down."""
        built: dict[System, LearntMethod] = {}
        for item in items:
            try:
                method = methods.build(item.system.method, item.settings, clip)
            except ParamsError as error:
                self._fail(item.system, error)
                continue
            if isinstance(method, LearntMethod):
                built[item.system] = method
        return built

    def _tune(
        self,
        system: System,
        method: LearntMethod,
        seed: int,
        cache: FeatureCache,
        told: Callable[[int, int], None],
    ) -> History:
        name = weights_name(system, seed)
        with self._written_down(name):
            history = fit(method, cache, seed=seed, progress=told)
        provenance = {"auxiliary": self._auxiliary, "seed": seed, "variant": system.variant}
        save_checkpoint(self._folder / name, method, provenance)
        kept = {**system._asdict(), "seed": seed, **asdict(history)}
        write_json(self._folder / f"{Path(name).stem}.history.json", kept)
        self.trained.append(name)
        return history

    @contextmanager
    def _written_down(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            lost = device_is_lost(self._params.compute.device)
            if lost or isinstance(error, OSError) or out_of_memory(error):
                raise
            reason = str(error) if isinstance(error, ZsadError) else f"{type(error).__name__}: {error}"
            self.failed[name] = reason
            raise TrainingError(f"{name}: {reason}") from error

    def _fail(self, system: System, error: ZsadError) -> None:
        for seed in self._params.seeds:
            self.failed[weights_name(system, seed)] = str(error)

    def close(self) -> None:
        """Write down what failed."""
        write_status(self._folder, self.failed)
