import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.catalog import DatasetRecord, Source, auxiliary_names, evaluated, names, record, shipped_names
from pipeline.errors import DataError

FACTS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("facts.yaml").read_text(encoding="utf-8")
)
BY_ADDRESS = {"http", "s3", "form", "onedrive"}


def raw(name: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(
        (files("pipeline.catalog") / "records" / f"{name}.yaml").read_text("utf-8")
    )
    return content


def test_the_17_in_table_order() -> None:
    assert names() == tuple(FACTS)
    folder = files("pipeline.catalog") / "records"
    assert {entry.name for entry in folder.iterdir()} == {f"{name}.yaml" for name in shipped_names()}


def test_what_is_only_tuned_on_is_known_and_not_evaluated() -> None:
    assert auxiliary_names() == ("colon_auxiliary",)
    assert evaluated(["tn3k", "colon_auxiliary", "mvtec"]) == ("tn3k", "mvtec")
    colon = record("colon_auxiliary")
    assert {"image", "pixel"} == set(colon.tasks)
    assert colon.build().counts == (None, 380)
    assert colon.build().anomalous == record("cvc_colondb").build().anomalous


def test_a_set_that_holds_images_of_another_says_so() -> None:
    held = {name: record(name).holds_images_of for name in shipped_names()}
    assert {name: others for name, others in held.items() if others} == {
        "colon_auxiliary": ("cvc_colondb", "cvc_300"),
        "cvc_colondb": ("cvc_300",),
        "cvc_300": ("cvc_colondb",),
    }


@pytest.mark.parametrize("name", names())
def test_record_agrees_with_the_facts(name: str) -> None:
    entry, facts = record(name), FACTS[name]
    assert (entry.name, entry.paper_name, entry.group) == (name, facts["paper_name"], facts["group"])
    assert list(entry.tasks) == facts["tasks"]
    build = entry.build()
    assert [build.normal, build.anomalous, build.status] == facts["test_images"]
    assert [[it.name, it.counts] for it in entry.subsets] == [
        [subset, counts and tuple(counts)] for subset, counts in facts["subsets"].items()
    ]
    assert [entry.licence.name, entry.licence.url] == facts["licence"]
    assert [described(source) for source in entry.sources] == facts["sources"]


def described(source: Source) -> dict[str, object]:
    """A source as `facts.yaml` has it."""
    keys = ("kind", "confirmed", "digest_status", "bytes", "sha256", "md5")
    found = {key: getattr(source, key) for key in keys if getattr(source, key) is not None}
    return found | {"at": source.url if source.kind in BY_ADDRESS else source.id}


@pytest.mark.parametrize("name", names())
def test_what_is_undefined_follows_from_the_images(name: str) -> None:
    """No image-level metric without normal images, no pixel-level one without masks."""
    entry = record(name)
    assert ("image" in entry.tasks) == (entry.build().normal != 0)
    assert entry.has_masks == (entry.group not in {"brain", "chest"})
    assert entry.domain == ("industrial" if entry.tasks == ("image", "pixel") else "medical")


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


@pytest.mark.parametrize("name", shipped_names())
def test_facts_can_be_traced(name: str) -> None:
    references = yaml.safe_load((files("pipeline.catalog") / "references.yaml").read_text("utf-8"))
    assert record(name).facts_from
    assert set(record(name).facts_from) <= set(references)
    assert record(name).sources


def test_aliases_are_unique_and_resolve() -> None:
    seen: dict[str, str] = {}
    for name in shipped_names():
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
    with pytest.raises(
        DataError, match="unknown build 'mine'; known: 'paper', 'standard conversion', 'two pieces', or"
    ):
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
        (
            {"sources": [{"kind": "http", "url": "https://u", "md5": "0" * 32, "confirmed": True}]},
            "digest_status",
        ),
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
    with pytest.raises(DataError, match=r"widgets\.yaml is not UTF-8"):
        record("widgets")


def own_record(name: str, content: str) -> None:
    Path("datasets").mkdir(exist_ok=True)
    Path(f"datasets/{name}.yaml").write_text(content)


def test_a_record_of_ones_own_with_capitals_is_found_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own_record("Widgets", "name: Widgets")
    for name in ("Widgets", "widgets"):
        with pytest.raises(DataError, match=r"datasets/Widgets\.yaml, name: String should match pattern"):
            record(name)


@pytest.mark.parametrize("name", ["mvtec", "chest"])
def test_a_record_of_ones_own_called_like_a_shipped_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = record(name).name
    own_record(name, "name: x")
    with pytest.raises(DataError, match=rf"datasets/{name}\.yaml: {shipped} is called so too; rename it"):
        record(name)
