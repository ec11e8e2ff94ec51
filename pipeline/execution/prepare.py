"""Prepare one data set: read the published layout, check its counts, write its shards."""

from pathlib import Path

import yaml

from pipeline import catalog
from pipeline.catalog import KnownCounts, own
from pipeline.errors import ParamsError
from pipeline.execution.progress import progress
from pipeline.params import Params
from pipeline.shards import Manifest, prepare


def expected_counts(params: Params, dataset: str) -> dict[str, KnownCounts]:
    """(normal, anomalous) test images a subset, by the file `params.counts` or by the data set's record.

    The file is of the shipped data sets; one of the user's own is held against its record.

    Raises:
        ParamsError: the file is missing or does not name the data set.
    """
    if params.counts is None or dataset in params.own:
        return catalog.record(dataset).accepting(params.builds.get(dataset)).expected()
    path = Path(params.counts)
    if not path.is_file():
        raise ParamsError(f"params.yaml: counts: {path} is missing")
    counts = yaml.safe_load(path.read_text(encoding="utf-8"))
    if dataset not in counts:
        raise ParamsError(f"params.yaml: counts: {path} has no counts of {dataset}")
    return {subset: (normal, anomalous) for subset, (normal, anomalous) in counts[dataset].items()}


def data_folder(params: Params, dataset: str) -> Path:
    """Where the published files of a data set lie."""
    return (Path(params.data_root) if dataset in catalog.shipped_names() else own.DATA) / dataset


def prepare_dataset(params: Params, dataset: str) -> Manifest:
    """Write the shards of `dataset`; a subset that cannot be prepared is noted in the manifest.

    Raises:
        ZsadError: an unknown data set, or one whose folder is not there.
    """
    record = catalog.record(dataset).accepting(params.builds.get(dataset))
    with progress(f"prepare {dataset}", len(record.subsets)) as steps:

        def report(subset: str, done: int, total: int) -> None:
            if done == total:
                steps.step(f"{subset}: {total} images")

        return prepare(
            record,
            data_folder(params, dataset),
            params.shards / dataset,
            params.sizes(),
            expected_counts(params, dataset),
            progress=report,
        )
