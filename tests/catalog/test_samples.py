"""The readers on the miniature data sets of the repository, against what their generator says it drew."""

from pathlib import Path

import pytest
import yaml

from pipeline.catalog import list_samples, names, record

REPOSITORY = Path(__file__).parents[2]
DRAWN = yaml.safe_load((REPOSITORY / "pipeline/miniature/datasets/counts.yaml").read_text("utf-8"))


@pytest.mark.parametrize("name", names())
def test_miniature_data_set_is_read_whole(name: str) -> None:
    listing = list_samples(record(name), REPOSITORY / "samples" / name)
    assert listing.problems == {}
    assert listing.counts() == {subset: tuple(counts) for subset, counts in DRAWN[name].items()}
