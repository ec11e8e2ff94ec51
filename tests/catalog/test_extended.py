"""The records of the suite extended-2026.12, and the builds of copies that were cut anew."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.archives import extract
from pipeline.catalog import Source, names, record
from pipeline.shards import Manifest, prepare

from .published import SIDE, Files, mask, picture, write_archive

SUITE = "extended-2026.12"
FACTS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("facts_extended.yaml").read_text(encoding="utf-8")
)


def test_the_facts_are_of_the_suite() -> None:
    assert tuple(FACTS) == names(SUITE)


@pytest.mark.parametrize("name", names(SUITE))
def test_record_agrees_with_the_facts(name: str) -> None:
    entry, facts = record(name), FACTS[name]
    assert (entry.paper_name, list(entry.tasks)) == (facts["paper_name"], facts["tasks"])
    assert len(entry.subsets) == facts["subsets"]
    assert [*entry.builds[0].counts] == facts["test_images"]
    assert entry.licence.name == facts["licence"]
    assert [described(source) for source in entry.sources] == facts["sources"]


def described(source: Source) -> dict[str, object]:
    """A source as `facts_extended.yaml` has it."""
    digests = {key: value for key in ("sha256", "md5") if (value := getattr(source, key)) is not None}
    at = source.url if source.kind in {"http", "form"} else source.id
    return {"kind": source.kind, "at": at, **digests}


@pytest.mark.parametrize("name", names(SUITE))
def test_a_digest_that_nobody_publishes_is_null(name: str) -> None:
    for source in record(name).sources:
        assert (source.sha256 is None and source.md5 is None) == (source.digest_status is None)
        assert source.digest_status in {None, "tool", "hint"} or source.archive == (
            "elpv_dataset-1.0.0.post1-py3-none-any.whl"
        )


def bayes_pfl() -> Files:
    """DATA_three.zip: three data sets in one layout, of which each record takes its own."""
    for data, name, count in (
        *(("DAGM", f"Fabric{number}", 150) for number in (1, 2, 3, 4, 5)),
        *(("DAGM", f"Fabric{number}", 300) for number in (7, 8)),
        ("KSDD2", "Metal", 356),
        ("RSDD", "Metal15", 387),
    ):
        home = f"DATA_three/{data}/{name}"
        for number in range(count):
            yield f"{home}/test/good/{name}-{number:06d}.bmp", picture("bmp")
            yield f"{home}/test/anomaly/{name}-defect-{number:06d}.bmp", picture("bmp")
            yield f"{home}/ground_truth/anomaly/{name}-defect-{number:06d}.png", mask("png")


def adaclip() -> Files:
    for number in range(85):
        yield f"BrainMRI/brain_mri/test/good/N{number}.bmp", picture("bmp", "L")
    for number in range(68):
        yield f"BrainMRI/brain_mri/test/anomaly/Y{number}.bmp", picture("bmp", "L")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    for name, files in (("three.zip", bayes_pfl()), ("brain.zip", adaclip())):
        extract(write_archive(folder / name, files), folder / name.removesuffix(".zip"))
    return folder


def prepared(name: str, build: str | None, data: Path, out: Path) -> Manifest:
    entry = record(name).accepting(build)
    return prepare(entry, data, out, [SIDE], entry.expected())


@pytest.mark.parametrize(
    ("name", "build", "where", "subsets", "counts"),
    [
        ("dagm", "Bayes-PFL copy", "three/DATA_three/DAGM", 7, (1350, 1350)),
        ("ksdd2", "Bayes-PFL copy", "three/DATA_three/KSDD2", 1, (356, 356)),
        ("brainmri", "AdaCLIP copy", "brain", 1, (85, 68)),
    ],
)
def test_a_copy_that_was_cut_anew_is_a_build_by_name_and_refused_without_it(
    name: str, build: str, where: str, subsets: int, counts: tuple[int, int], copies: Path, tmp_path: Path
) -> None:
    manifest = prepared(name, build, copies / where, tmp_path / "named")
    assert manifest.errors == {}
    assert manifest.build_name == build
    found = [(it.normal or 0, it.anomalous or 0) for it in manifest.subsets]
    assert len(found) == subsets
    assert (sum(normal for normal, _ in found), sum(bad for _, bad in found)) == counts
    usual = prepared(name, None, copies / where, tmp_path / "usual")
    assert set(usual.errors) == set(record(name).subset_names)
