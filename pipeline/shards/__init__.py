"""Prepared data: images and masks of the test split, resized once and read as memory maps.

One folder a data set:

    manifest.json                    build, counts, digest or error of each subset, ignored files
    <subset>/index.parquet           one row an image; row order is array order
    <subset>/images-<S>.npy          uint8 (N, S, S, 3) RGB
    <subset>/masks-<S>.npy           uint8 (N, ceil(S * S / 8)), packed bits; only where masks exist
    <subset>/references-<S>.npy      uint8 (K, S, S, 3) RGB, normal training images; only where there are any
"""

from pipeline.shards.manifest import Manifest, Reference, SubsetEntry, is_prepared, read_manifest
from pipeline.shards.reader import SubsetShard, open_references, open_subset, subset_stamp, verify_subset
from pipeline.shards.writer import prepare

__all__ = [
    "Manifest",
    "Reference",
    "SubsetEntry",
    "SubsetShard",
    "is_prepared",
    "open_references",
    "open_subset",
    "prepare",
    "read_manifest",
    "subset_stamp",
    "verify_subset",
]
