"""DVC stage `prepare@<data set>`: its published files as shards.

A subset that cannot be used does not stop the stage: it is a fact about the data, noted in the manifest, and
its cells fail by name in evaluate.
"""

import sys

from pipeline.datasets import prepare_dataset
from pipeline.params import load_params
from stages.entry import named, stage


def run() -> None:
    """Prepare the data set named on the command line."""
    dataset = named("data set")
    manifest = prepare_dataset(load_params(), dataset)
    usable = [entry for entry in manifest.subsets if entry.error is None]
    images = sum((entry.normal or 0) + (entry.anomalous or 0) for entry in usable)
    print(f"prepare {dataset}: {len(usable)} of {len(manifest.subsets)} subsets, {images} images")
    for error in manifest.errors.values():
        print(f"prepare {dataset}: unusable: {error}", file=sys.stderr)


if __name__ == "__main__":
    stage(run)
