"""The specification: all data sets and subsets of the catalog, and errors that name what is wrong."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline import catalog
from pipeline.errors import DataError
from pipeline.miniature.datasets import expected_counts, write_dataset
from pipeline.miniature.datasets.layouts import WRITERS
from pipeline.miniature.datasets.specification import FEWER, DatasetSpec, SubsetSpec, specification
from pipeline.miniature.datasets.studio import Studio, generator


def test_every_data_set_of_the_catalog_is_specified_with_all_its_subsets() -> None:
    known = specification()
    every = set(catalog.shipped_names())
    assert set(known) == every == set(WRITERS) == set(expected_counts())
    for name, spec in known.items():
        assert set(spec.subsets) == set(catalog.record(name).subset_names) == set(expected_counts()[name])


def test_every_defect_folder_gets_an_image() -> None:
    for name, spec in specification().items():
        for subset, content in spec.subsets.items():
            folders = spec.defect_folders(subset)
            assert set(folders) == set(content.defects), (name, subset)
            assert len(folders) == max(spec.anomalous, len(content.defects))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"draw": "teapot"}, "teapot"),
        ({"colour": "mauve"}, "mauve"),
        ({"surface": "velvet"}, "velvet"),
        ({"defects": {"bad": ["rot"]}}, "rot"),
    ],
)
def test_an_unknown_name_is_refused_by_name(change: dict[str, object], name: str) -> None:
    entry = {"draw": "gear", "size": [64, 64], "defects": {"bad": ["scratch"]}}
    SubsetSpec.model_validate(entry)
    with pytest.raises(ValidationError, match=f"{name} is unknown"):
        SubsetSpec.model_validate(entry | change)


def test_an_unknown_data_set_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mvtek.*mvtec"):
        write_dataset("mvtek", tmp_path)


def test_seeds_are_stable_and_keys_are_kept_apart() -> None:
    digest = hashlib.sha256(b"2024\x1fmvtec\x1fbottle").digest()
    reference = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
    assert generator(2024, "mvtec", "bottle").random() == reference.random()
    assert generator("ab", "c").random() != generator("a", "bc").random()


def test_a_studio_keeps_its_look_and_takes_new_pictures() -> None:
    spec = specification()["mvtec"].subsets["bottle"]
    studio = Studio(1, "mvtec", "bottle", spec)
    assert (studio.normal(0) == Studio(1, "mvtec", "bottle", spec).normal(0)).all()
    assert (studio.normal(0) != studio.normal(1)).any()
    assert (studio.normal(0) != Studio(2, "mvtec", "bottle", spec).normal(0)).any()
    assert studio.look.count == spec.count


def test_combined_defects_are_all_in_the_mask() -> None:
    spec = specification()["mvtec"].subsets["pill"]
    assert spec.defects["combined"] == ("crack", "spots")
    both = Studio(1, "mvtec", "pill", spec).defective("combined", 0)
    alone = spec.model_copy(update={"defects": {"combined": ("crack",)}})
    first = Studio(1, "mvtec", "pill", alone).defective("combined", 0)
    assert both.mask[first.mask].all()
    added = both.mask & ~first.mask
    assert added.any()
    assert (both.pixels[added] != first.pixels[added]).any(axis=1).mean() > 0.9


def test_the_subsets_of_a_data_set_have_its_strength_and_area_where_they_have_none() -> None:
    entry = {"draw": "gear", "size": [64, 64], "defects": {"bad": ["scratch"]}}
    values = {"train": 0, "normal": 1, "anomalous": 1, "strength": [0.2, 0.4], "area": [0.5, 2.0]}
    subsets = {"one": entry, "two": entry | {"strength": [1.0, 1.0]}}
    found = DatasetSpec.model_validate(values | {"subsets": subsets}).subsets
    assert (found["one"].strength, found["two"].strength) == ((0.2, 0.4), (1.0, 1.0))
    assert found["one"].area == found["two"].area == (0.5, 2.0)


def test_a_picture_with_one_item_less_is_the_same_but_for_that_item() -> None:
    spec = specification()["visa"].subsets["candle"]
    assert spec.defects["chunk of wax missing"] == (FEWER,)
    studio = Studio(1, "visa", "candle", spec)
    shot, whole = studio.defective("chunk of wax missing", 0), studio.normal("chunk of wax missing", 0)
    assert 0.02 < shot.mask.mean() < 0.25  # one of four
    change = np.abs(shot.pixels.astype(int) - whole).max(axis=2)
    assert change[shot.mask].min() > 20
    assert change[~shot.mask].max() <= 26  # its shadow
