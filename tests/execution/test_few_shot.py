"""The few-shot track in a whole evaluation: references, keys, blanks, and nothing of the others moved."""

import json
import shutil
from typing import Any

import pytest

from pipeline.board.rows import unlike_themselves
from pipeline.execution.run import open_run
from pipeline.execution.store import CellStore
from pipeline.execution.systems import resolve_systems
from pipeline.methods.few_shot import FewShotMethod
from pipeline.params import load_params
from pipeline.results import CellRow
from pipeline.shards import open_references, read_manifest
from pipeline.tables import build_tables, read_outcome
from pipeline.tables.markdown import markdown
from tests.execution.running import evaluate, forget, prepare, use_plain_methods
from tests.project import Project

WINCLIP = {"tower": "main", "windows": [14]}
AF_CLIP: dict[str, Any] = {"layers": [2, 8], "sigma": 1.0}


@pytest.fixture
def plain(trained: Project) -> Project:
    use_plain_methods(trained)
    return trained


def add_few_shot(project: Project, *shots: int) -> None:
    project.set_param("methods", project.params()["methods"] | {"winclip_plus": WINCLIP})
    project.set_param("variants", {"winclip_plus": {f"{k}-shot": {"shots": k} for k in shots}})


def of(rows: list[CellRow], dataset: str, variant: str = "") -> dict[str, CellRow]:
    found = [it for it in rows if (it.method, it.dataset, it.variant) == ("winclip_plus", dataset, variant)]
    return {row.subset: row for row in found}


def keys() -> dict[str, str]:
    cells = [cell for task in open_run(load_params(), CellStore()).tasks for cell in task.cells]
    return {cell.cell.key.name: cell.content_key for cell in cells}


def test_it_runs_beside_the_others_and_moves_none_of_them(plain: Project, undisturbed_plain: Project) -> None:
    """What has no training images is blank, with the reason, and the run is whole."""
    add_few_shot(plain, 2, 4)
    summary = evaluate()
    assert summary.complete
    assert any("1 normal training images are seen, 0 are prepared" in it for it in summary.notes)
    rows = plain.rows()
    assert [it for it in rows if it.method != "winclip_plus"] == undisturbed_plain.rows()
    known = read_manifest(load_params().shards / "btad")
    for variant, shots in (("", 1), ("2-shot", 2), ("4-shot", 4)):
        own = of(rows, "btad", variant)
        assert {(row.track, row.seed, row.status) for row in own.values()} == {("few-shot", None, "ok")}
        for subset, row in own.items():
            names = [it.image for it in known.subset(subset).references]
            assert json.loads(row.references or "") == names[:shots]
    assert {it.references for it in undisturbed_plain.rows()} == {None}
    assert len({of(rows, "btad", it)["01"].cell_key for it in ("", "2-shot", "4-shot")}) == 3
    assert not [*unlike_themselves(rows)]
    for dataset in ("headct", "sdd", "endo"):
        (row,) = of(rows, dataset).values()
        assert (row.status, row.image_auroc, row.track) == ("failed", None, "few-shot")
        assert (row.error or "").startswith("no references: ")
    outcome = read_outcome(load_params())
    assert outcome.incomplete is None
    tables = build_tables(outcome)
    assert {it.method for it in tables["table1"].outcome.means} == {"clip", "clip_ac"}
    text = markdown(tables["few-shot/industrial"])
    assert "Few-shot track: " in text
    assert "WinCLIP+ (4-shot)" in text
    assert "no references: 1 normal training images are seen, 0 are prepared" in text
    assert not [
        name
        for name, it in tables.items()
        if "winclip_plus" in {n.system.method for n in it.numbers()} and not name.startswith("few-shot/")
    ]


def test_the_rows_of_another_track_cannot_say_that_they_have_no_references(plain: Project) -> None:
    """Such a row would hide a cell that was not run."""
    row = {"profile": "miniature", "dataset": "sdd", "subset": "sdd", "method": "clip", "status": "failed"}
    told = CellRow(**row, error="no references: none", track="main")  # type: ignore[arg-type]
    assert not told.is_left_out
    assert CellRow(**row, error="no references: none", track="few-shot").is_impossible  # type: ignore[arg-type]


def test_fewer_than_asked_for_are_blank_and_a_broken_one_fails(plain: Project) -> None:
    home = plain.folder / "data/btad/BTech_Dataset_transformed"
    few, broken = home / "01/train/ok", home / "02/train/ok"
    for path in sorted(few.iterdir())[2:]:
        path.unlink()
    for path in broken.iterdir():
        path.write_bytes(b"no picture")
    prepare("btad")
    add_few_shot(plain, 2, 4)
    plain.set_param("methods", {"winclip_plus": WINCLIP})
    summary = evaluate()
    assert {name.partition(",")[0].split()[-1] for name, _ in summary.failures} == {"btad/02"}
    assert all("reference image" in reason for _, reason in summary.failures)
    rows = plain.rows()
    assert of(rows, "btad", "2-shot")["01"].status == "ok"
    assert "4 normal training images are seen, 2 are prepared" in (
        of(rows, "btad", "4-shot")["01"].error or ""
    )


def test_the_references_are_in_the_key_of_the_cells_that_see_them(plain: Project) -> None:
    add_few_shot(plain, 2)
    before = keys()
    known = read_manifest(load_params().shards / "btad").subset("01").references
    second = plain.folder / "data/btad" / known[1].image
    shutil.copy(plain.folder / "data/btad" / known[2].image, second)
    prepare("btad")
    moved = {name for name, key in keys().items() if before[name] != key}
    assert moved == {"winclip_plus[2-shot] on btad/01"}


@pytest.mark.soak
def test_ranges_and_whole_groups_give_the_same_bits(plain: Project) -> None:
    add_few_shot(plain, 4)
    plain.set_param("methods", {"winclip_plus": WINCLIP})
    plain.set_param("compute.batch", 2)
    assert evaluate().complete
    rows, scores = plain.rows(), plain.files("results/miniature/scores")
    forget(plain)
    assert evaluate(workers=4).complete
    assert plain.rows() == rows
    assert plain.files("results/miniature/scores") == scores


def broken_when_evaluated(project: Project, patch: pytest.MonkeyPatch, planted: Any) -> bool:
    """Whether scores of the 2-shot cells are others than those of a sound run."""
    add_few_shot(project, 2)
    project.set_param("methods", {"winclip_plus": WINCLIP})
    assert evaluate().complete
    sound = project.files("results/miniature/scores")
    forget(project)
    with patch.context() as here:
        planted(here)
        assert evaluate().complete
    return project.files("results/miniature/scores") != sound


def of_another_subset(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "pipeline.execution.scoring.open_references",
        lambda folder, _subset, size, count: open_references(folder, "03", size, count),
    )


def only_the_first(patch: pytest.MonkeyPatch) -> None:
    sound = FewShotMethod.beside
    patch.setattr(FewShotMethod, "beside", lambda self, images, text: sound(self, images[:1], text))


@pytest.mark.parametrize("planted", [of_another_subset, only_the_first], ids=lambda it: it.__name__)
def test_other_references_give_other_scores(
    plain: Project, monkeypatch: pytest.MonkeyPatch, planted: Any
) -> None:
    assert broken_when_evaluated(plain, monkeypatch, planted)


def test_one_training_serves_every_number_of_shots(plain: Project) -> None:
    plain.set_param("methods", {"af_clip_few_shot": AF_CLIP})
    plain.set_param("variants", {"af_clip_few_shot": {"4-shot": {"shots": 4}, "other": {"n_ctx": 3}}})
    found = {it.system.variant: it.weights_of for it in resolve_systems(load_params())}
    assert found["4-shot"] is not None
    assert found["4-shot"].name == "af_clip_few_shot"
    assert found[""] is None
    assert found["other"] is None


def test_a_variant_of_the_main_track_has_weights_of_its_own_as_ever(plain: Project) -> None:
    plain.set_param("methods", {"af_clip": AF_CLIP})
    plain.set_param("variants", {"af_clip": {"sigma_2": {"sigma": 2.0}}})
    assert {it.weights_of for it in resolve_systems(load_params())} == {None}
