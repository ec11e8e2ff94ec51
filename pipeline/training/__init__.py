"""Tuning of learnt methods on an auxiliary set: frozen features once, then every method and variant.

auxiliary = AuxiliarySet("mvtec", images, masks, labels, class_names)
cache = collect_features(clip, auxiliary, frozenset().union(*(method.loss_taps for method in methods)))
for method in methods:
    fit(method, cache, seed=111)
    save_checkpoint(path, method, provenance)

The setting below is read when cuBLAS starts: without it a GPU may give other parameters at every run.
"""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from pipeline.methods.auxiliary import AuxiliarySet
from pipeline.training.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from pipeline.training.features import FeatureCache, collect_features
from pipeline.training.fit import History, fit

__all__ = [
    "AuxiliarySet",
    "FeatureCache",
    "History",
    "collect_features",
    "fit",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]
