"""The miniature in one process: every image goes through its tower once, all trainings and scores follow.

What `order` and `faults` measure: means over data sets of what systems reach. Without bootstrap, examples and
files, a system with one seed takes seconds.
"""

import contextlib
import io
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.subjects import ROOT
from pipeline import catalog, methods
from pipeline.clip import Clip, Tap, load_clip
from pipeline.datasets import prepare_dataset
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import tower_spec
from pipeline.methods.base import LearntMethod, Method
from pipeline.metrics import PixelState, image_metrics
from pipeline.params import Params, parse_params
from pipeline.plan import ResolvedSystem
from pipeline.shards import open_subset, read_manifest
from pipeline.training import AuxiliarySet, FeatureCache, History, fit

METRICS = ("image_auroc", "pixel_auroc", "pixel_pro")
Means = dict[str, dict[str, float]]
"""Metric to data set to its mean over subsets, in percent."""


def committed_params(changes: dict[str, Any]) -> Params:
    """The committed params with some keys replaced, usable from any folder."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values |= {"data_root": str(ROOT / "samples"), "counts": str(ROOT / values["counts"]), "retuned": {}}
    values |= {"auxiliaries": values["auxiliary"]} | changes
    for tower in values["towers"].values():
        tower.update({key: str(ROOT / tower[key]) for key in ("model", "weights")})
    return parse_params(values)


@contextlib.contextmanager
def prepared(params: Params) -> Iterator[None]:
    """A temporary current directory with the shards of all data sets of `params`."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with contextlib.redirect_stdout(io.StringIO()):  # its progress
            for dataset in params.datasets:
                prepare_dataset(params, dataset)
        yield


@dataclass(frozen=True)
class Pictures:
    """The test images of one subset.

    Attributes:
        images: uint8 (N, S, S, 3).
        labels: (N,), 0 normal and 1 anomalous.
        masks: uint8 (N, S, S) of 0 and 1; None in sets without masks.
        class_name: What prompts call it.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8] | None
    class_name: str


def _same(cache: FeatureCache) -> FeatureCache:
    return cache


class Miniature:
    """All systems of `params` on all its data sets. Inside `prepared`."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._items = {item.system.name: item for item in resolve_systems(params)}
        self._pictures: dict[tuple[str, int], list[Pictures]] = {}
        self._clips: dict[str, Clip] = {}
        self._features: dict[tuple[str, str], list[dict[Tap, Tensor]]] = {}
        self._taps: dict[str, frozenset[Tap]] = defaultdict(frozenset)
        for name, item in self._items.items():
            self._taps[item.tower] |= self.built(name).taps

    def learns(self, name: str) -> bool:
        """Whether a system is tuned, so that seeds differ."""
        return self._items[name].learnt

    def built(self, name: str) -> Method:
        """A system as it is before it learns."""
        item = self._items[name]
        return methods.build(item.system.method, item.settings, self._clip(item.tower))

    def means(self, name: str, seed: int) -> Means:
        """What a system reaches on every data set, tuned with `seed` where it is learnt."""
        method = self.built(name)
        found: Means = {metric: {} for metric in METRICS}
        for auxiliary, datasets in self._tested(self._items[name]).items():
            if isinstance(method, LearntMethod) and self.learns(name):
                self.tune(method, auxiliary, seed)
            for dataset in datasets:
                for metric, value in self.scored(method, dataset).items():
                    found[metric][dataset] = value
        return found

    def tune(
        self,
        method: LearntMethod,
        auxiliary: str,
        seed: int,
        change: Callable[[FeatureCache], FeatureCache] = _same,
    ) -> History:
        """Tune `method` in place on one data set, whose features and labels `change` may replace."""
        tower = method.clip.spec.name
        pictures, parts = self.pictures(tower, auxiliary), self.features(tower, auxiliary)
        masks = np.concatenate([one.masks for one in pictures if one.masks is not None])
        names = [one.class_name for one in pictures for _ in one.labels]
        images, labels = (
            np.concatenate([getattr(one, it) for one in pictures]) for it in ("images", "labels")
        )
        features = {tap: torch.cat([part[tap] for part in parts]) for tap in parts[0]}
        there, known = torch.from_numpy(masks != 0), torch.from_numpy(labels)
        pictures_of = AuxiliarySet(auxiliary, images, masks, labels, names)
        cache = FeatureCache(features, known, there, pictures_of, method.clip.device)
        return fit(method, change(cache), seed=seed)

    def pictures(self, tower: str, dataset: str) -> list[Pictures]:
        """Every subset of a data set at the size of a tower."""
        size = self._params.towers[tower].image_size
        if (dataset, size) not in self._pictures:
            folder = self._params.shards / dataset
            shards = [open_subset(folder, entry.name, size) for entry in read_manifest(folder).subsets]
            self._pictures[dataset, size] = [
                Pictures(np.array(it.images), it.labels, it.masks(0, len(it)), it.class_name) for it in shards
            ]
        return self._pictures[dataset, size]

    def features(self, tower: str, dataset: str) -> list[dict[Tap, Tensor]]:
        """What all systems read of every subset."""
        if (tower, dataset) not in self._features:
            clip, taps = self._clip(tower), self._taps[tower]
            self._features[tower, dataset] = [
                clip.encode_image(torch.from_numpy(it.images), taps) for it in self.pictures(tower, dataset)
            ]
        return self._features[tower, dataset]

    def _tested(self, item: ResolvedSystem) -> dict[str, list[str]]:
        """Auxiliary set to the data sets that go with it; all under one where nothing is learnt."""
        tested = defaultdict(list)
        for dataset in catalog.evaluated(self._params.datasets):
            others = [name for name in self._params.auxiliary if not item.learnt or name != dataset]
            tested[others[0]].append(dataset)
        return tested

    def scored(self, method: Method, dataset: str) -> dict[str, float]:
        """Means over the subsets of a data set, of the metrics that are defined in all of them."""
        found: dict[str, list[float | None]] = defaultdict(list)
        tower = method.clip.spec.name
        for pictures, features in zip(
            self.pictures(tower, dataset), self.features(tower, dataset), strict=True
        ):
            scores = method.score(features, method.text_features(pictures.class_name))
            found["image_auroc"].append(image_metrics(pictures.labels, scores.image.numpy()).image_auroc)
            if pictures.masks is not None:
                state = PixelState()
                state.update(scores.maps, pictures.masks)
                pixels = state.finish()
                found["pixel_auroc"].append(pixels.pixel_auroc)
                found["pixel_pro"].append(pixels.pixel_pro)
        return {metric: 100 * fmean(each) for metric, values in found.items() if (each := _all(values))}

    def _clip(self, tower: str) -> Clip:
        if tower not in self._clips:
            self._clips[tower] = load_clip(tower_spec(self._params, tower))
        return self._clips[tower]


def _all(values: list[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def average(means: Means, metric: str) -> float:
    """Mean over the data sets."""
    return fmean(means[metric].values())
