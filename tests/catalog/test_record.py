"""What a record refuses, beside what `test_registry` holds of the shipped ones."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.catalog import Build, DatasetRecord, Source, record


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "http", "url": "http://[::1/", "archive": "a.zip"}, "Invalid IPv6 URL"),
        ({"kind": "http", "url": "file:///etc/passwd", "archive": "a.zip"}, "begins with https://"),
        ({"kind": "http", "url": "https:///a.zip", "archive": "a.zip"}, "and a host"),
        ({"kind": "http", "url": "https://me" + ":secret@host/a.zip", "archive": "a.zip"}, "leave it out"),
        ({"kind": "form", "url": "https://u", "archive": "a.zip"}, "archive and instructions"),
        ({"kind": "onedrive", "url": "https://u", "instructions": "log in"}, "archive and instructions"),
        ({"kind": "http", "url": "https://u"}, "http needs the url and the name of the archive"),
        ({"kind": "s3", "id": "bucket", "archive": "a.zip"}, "s3 needs the url"),
        *(({"kind": kind, "url": "https://u", "archive": "a.zip"}, f"{kind} needs an id")
          for kind in ("gdrive", "figshare", "zenodo", "kaggle", "huggingface")),
        ({"kind": "huggingface", "id": "a/b"}, "huggingface needs the name of the archive"),
        ({"kind": "kaggle", "id": "a/b", "bytes": 0}, "bytes"),
        ({"kind": "kaggle", "id": "a/b", "sha256": "0" * 63, "digest_status": "tool"}, "sha256"),
        ({"kind": "kaggle", "id": "a/b", "sha256": "0" * 64}, "digest_status"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_fetched(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Source.model_validate(values | {"confirmed": True})


def test_what_is_named_only_to_be_known_needs_less() -> None:
    page = Source.model_validate({"kind": "form", "url": "https://u", "use": False, "confirmed": True})
    assert page.by_hand
    assert page.key == "form:https://u"
    assert page.file_name == "archive.zip"


def changed(name: str, **values: Any) -> DatasetRecord:
    return DatasetRecord.model_validate(record(name).model_dump() | values)


def test_a_source_of_an_unknown_build() -> None:
    source = {"kind": "kaggle", "id": "a/b", "build": "mine", "confirmed": True}
    with pytest.raises(ValidationError, match="a source is of the unknown build 'mine'"):
        changed("sdd", sources=[source])
    assert changed("sdd", sources=[source | {"build": "paper"}]).sources[0].build == "paper"


def test_every_build_has_a_name_of_its_own() -> None:
    builds = record("sdd").model_dump()["builds"]
    with pytest.raises(ValidationError, match="names occur twice: paper, paper"):
        changed("sdd", builds=[builds[0], builds[0]])


@pytest.mark.parametrize("above", [-1, 255])
def test_a_rule_of_masks_that_leaves_none_or_all(above: int) -> None:
    with pytest.raises(ValidationError, match="mask_above"):
        Build(name="b", normal=1, anomalous=1, status="confirmed", mask_above=above)


def test_another_build_takes_the_place_of_the_first() -> None:
    entry = record("sdd").accepting("standard conversion")
    assert [build.name for build in entry.builds] == ["standard conversion", "paper", "two pieces"]
    assert entry.subsets[0].counts is None
    assert record("sdd").accepting("paper") is record("sdd")
    counted = record("mvtec").accepting("467/1257")
    assert [build.name for build in counted.builds] == ["467/1257", "published"]
    assert counted.build().status == "accepted"
    assert counted.expected() == {}


def test_a_build_that_was_cut_anew_has_subsets_of_its_own() -> None:
    entry = record("dagm").accepting("Bayes-PFL copy")
    assert entry.subset_names == tuple(f"Fabric{number}" for number in (1, 2, 3, 4, 5, 7, 8))
    assert [layout.kind for layout in entry.layouts] == ["mvtec_like"]
    normal, anomalous = (sum(pair[label] or 0 for pair in entry.expected().values()) for label in (0, 1))
    assert (normal, anomalous) == entry.build().counts == (1350, 1350)


def test_a_build_by_counts_is_read_as_the_first_one() -> None:
    own = record("tn3k").accepting("clean masks")
    assert own.accepting("0/600").builds[0].mask_above == 127
