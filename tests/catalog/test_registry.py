import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from pipeline.catalog import DatasetRecord, Source, auxiliary_names, evaluated, names, record
from pipeline.errors import DataError

# Test images of the benchmark as its literature has them, kept apart from the records.
TOTALS = {
    "mvtec": (15, 467, 1258), "visa": (12, 962, 1200), "mpdd": (6, 176, 282), "btad": (3, 451, 290),
    "sdd": (1, 181, 74), "dagm": (10, 6996, 1054), "dtd_synthetic": (12, 357, 947),
    "headct": (1, 100, 100), "brainmri": (1, 98, 155), "br35h": (1, 1500, 1500), "covid19": (1, 1341, 219),
    "isic": (1, 0, 379), "cvc_colondb": (1, 0, 380), "cvc_clinicdb": (1, 0, 612), "kvasir": (1, 0, 1000),
    "endo": (1, 0, 200), "tn3k": (1, 0, 614),
}  # fmt: skip
IMAGE_ONLY = {"headct", "brainmri", "br35h", "covid19"}
PIXEL_ONLY = {"isic", "cvc_colondb", "cvc_clinicdb", "kvasir", "endo", "tn3k"}


def raw(name: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(
        (files("pipeline.catalog") / "records" / f"{name}.yaml").read_text("utf-8")
    )
    return content


def test_the_17_in_table_order() -> None:
    assert names() == tuple(TOTALS)
    folder = files("pipeline.catalog") / "records"
    every = (*names(), *auxiliary_names())
    assert {entry.name for entry in folder.iterdir()} == {f"{name}.yaml" for name in every}


def test_what_is_only_tuned_on_is_known_and_not_evaluated() -> None:
    assert auxiliary_names() == ("colon_auxiliary",)
    assert evaluated(["tn3k", "colon_auxiliary", "mvtec"]) == ("tn3k", "mvtec")
    colon = record("colon_auxiliary")
    assert {"image", "pixel"} == set(colon.tasks)
    assert colon.build().counts == (None, 380)
    assert colon.build().anomalous == record("cvc_colondb").build().anomalous


def test_a_set_that_holds_images_of_another_says_so() -> None:
    held = {name: record(name).holds_images_of for name in (*names(), *auxiliary_names())}
    assert {name: others for name, others in held.items() if others} == {"colon_auxiliary": ("cvc_colondb",)}


@pytest.mark.parametrize("name", names())
def test_record_agrees_with_the_benchmark(name: str) -> None:
    entry = record(name)
    assert entry.name == name
    assert (len(entry.subsets), *entry.build().counts) == TOTALS[name]
    assert entry.has_masks == (name not in IMAGE_ONLY)
    assert ("image" in entry.tasks) == (name not in PIXEL_ONLY)
    assert entry.domain == ("medical" if name in IMAGE_ONLY | PIXEL_ONLY else "industrial")
    assert (entry.builds[0].normal == 0) == (name in PIXEL_ONLY)


@pytest.mark.parametrize("name", names())
def test_counts_of_subsets_sum_up(name: str) -> None:
    entry = record(name)
    known = [subset.counts for subset in entry.subsets if subset.counts is not None]
    normal, anomalous = (sum(pair[label] for pair in known) for label in (0, 1))
    if len(known) == len(entry.subsets):
        assert (normal, anomalous) == entry.build().counts
    elif name == "dtd_synthetic":  # Woven_001 and Woven_125 share 20/79 and 30/70 in an unknown order
        assert (normal + 50, anomalous + 149) == entry.build().counts
    else:
        assert name == "dagm"
        assert known == []


@pytest.mark.parametrize("name", [*names(), *auxiliary_names()])
def test_facts_can_be_traced(name: str) -> None:
    references = yaml.safe_load((files("pipeline.catalog") / "references.yaml").read_text("utf-8"))
    assert record(name).facts_from
    assert set(record(name).facts_from) <= set(references)
    assert record(name).sources


def test_aliases_are_unique_and_resolve() -> None:
    seen: dict[str, str] = {}
    for name in (*names(), *auxiliary_names()):
        for label in {label.casefold() for label in (name, record(name).paper_name, *record(name).aliases)}:
            assert seen.setdefault(label, name) == name, label
            assert record(label).name == name
    assert record("MVTec AD").name == "mvtec"
    assert record("COVID-19").name == "covid19"


def test_a_near_miss_is_helped() -> None:
    with pytest.raises(
        DataError, match=r"unknown data set 'mvtek'; did you mean 'mvtec'\? Known: mvtec, visa"
    ):
        record("mvtek")
    with pytest.raises(DataError, match="unknown data set 'qqqq'; Known"):
        record("qqqq")


def test_builds() -> None:
    sdd = record("sdd")
    assert sdd.expected() == {"electrical commutators": (181, 74)}
    assert sdd.accepting("standard conversion").expected() == {"electrical commutators": (286, 54)}
    with pytest.raises(DataError, match="unknown build 'mine'; known: 'paper', 'standard conversion', or"):
        sdd.accepting("mine")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"colour": "red"}, "colour"),
        ({"tasks": []}, "tasks"),
        ({"subsets": [{"name": "../up", "class_name": "x"}]}, "subsets"),
        ({"subsets": [{"name": "a", "class_name": "x"}] * 2}, "occur twice"),
        ({"layouts": [{"kind": "unheard of"}]}, "layouts"),
        ({"sources": [{"kind": "http", "confirmed": True}]}, "url or an id"),
        ({"sources": [{"kind": "http", "url": "u", "md5": "0" * 32, "confirmed": True}]}, "digest_status"),
    ],
)
def test_a_wrong_record_is_refused(change: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        DatasetRecord.model_validate(raw("mvtec") | change)


def test_imports_without_the_engines() -> None:
    code = (
        "import sys, pipeline.catalog, pipeline.shards; "
        "print([m for m in ('torch', 'open_clip', 'ray', 'prefect', 'dvc', 'sklearn') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["archive", "volumes", "keep"])
def test_file_names_of_a_source_stay_in_their_folder(key: str) -> None:
    name: object = ["../../x.rar"] if key == "volumes" else "../../x.rar"
    with pytest.raises(ValidationError, match=key):
        Source.model_validate({"kind": "zenodo", "id": "1", "confirmed": True, key: name})


def test_a_record_of_ones_own_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/widgets.yaml").write_bytes(b"name: \xff")
    with pytest.raises(DataError, match=r"widgets\.yaml: cannot be read as UTF-8"):
        record("widgets")
