"""Other seeds are no regression, a drop of two points is; the rule by hand and in simulations."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.cells import CellKey, System
from pipeline.files import write_text
from pipeline.metrics import image_metrics
from pipeline.results import CellRow
from pipeline.tables import FORMATS, Difference, build_tables, compare_tables
from pipeline.tables import significance as rule
from pipeline.tables.mean import retraining
from pipeline.tables.significance import (
    NO_ERROR,
    OTHER_SEEDS,
    PairedScores,
    detectable,
    noise,
    p_value,
    significant,
)
from pipeline.tables.values import COLUMNS, Value

from .make import outcome
from .paper_run import EXPECTED, SE, paper_rows

NAMES = ("mvtec", "btad")
METHODS = ("clip", "anomalyclip")


def tables(rows: list[CellRow], folder: Path) -> Path:
    """The CSV tables of CLIP and AnomalyCLIP on `NAMES`."""
    expected = {name: EXPECTED[name] for name in NAMES}
    kept = [it for it in rows if it.dataset in expected and it.method in METHODS and not it.variant]
    for name, table in build_tables(outcome(folder, kept, expected, "paper")).items():
        write_text(folder / "tables" / f"{name}.csv", FORMATS["csv"](table))
    return folder / "tables"


def jittered(rows: list[CellRow], seed: int, *, points: float, seeds: tuple[int, ...]) -> list[CellRow]:
    """Learnt rows for each of `seeds`, moved as trainings move: by `points` in each subset."""
    rng = np.random.default_rng(seed)
    moved = [it for it in rows if it.seed is None]
    for own in seeds:
        for it in rows:
            if it.seed is not None:
                values: dict[str, Any] = {
                    name: float(np.clip(share + rng.normal(0, points / 100), 0, 1))
                    for name in ("image_auroc", "image_ap", "pixel_auroc", "pixel_pro")
                    if (share := getattr(it, name)) is not None
                }
                moved.append(replace(it, seed=own, **values))
    return moved


def drop(points: float) -> list[CellRow]:
    """AnomalyCLIP gets worse by `points` on MVTec AD, in every metric."""

    def move(system: System, dataset: str, _metric: str) -> float:
        return -points if (system, dataset) == (System("anomalyclip"), "mvtec") else 0.0

    return paper_rows(move)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables(paper_rows(), tmp_path_factory.mktemp("before"))


def regressions(differences: list[Difference]) -> list[str]:
    return [difference.name for difference in differences if difference.regression]


def test_one_other_seed_is_not_judged(before: Path, tmp_path: Path) -> None:
    other = jittered(paper_rows(), 3, points=0.6, seeds=(1,))
    found = compare_tables(before, tables(other, tmp_path), 0.05)
    assert {(it.verdict, it.reason) for it in found} == {("not judged", OTHER_SEEDS)}
    assert len(found) > 40


def test_three_other_seeds_are_within_noise(tmp_path: Path) -> None:
    first = tables(jittered(paper_rows(), 4, points=0.6, seeds=(111, 1, 2)), tmp_path / "a")
    second = tables(jittered(paper_rows(), 5, points=0.6, seeds=(7, 8, 9)), tmp_path / "b")
    found = compare_tables(first, second, 0.05)
    assert {it.verdict for it in found} == {"within noise"}


def test_a_planted_drop_of_two_points_is_a_regression(before: Path, tmp_path: Path) -> None:
    found = compare_tables(before, tables(drop(2), tmp_path), 0.05)
    names = regressions(found)
    assert "paper table 1: mvtec, anomalyclip, pixel_auroc" in names
    assert "paper table subsets: mvtec, (mean), anomalyclip, image_auroc" in names
    assert all("anomalyclip" in name for name in names)


def test_a_planted_drop_among_three_other_seeds_is_a_regression(tmp_path: Path) -> None:
    first = tables(jittered(paper_rows(), 4, points=0.6, seeds=(111, 1, 2)), tmp_path / "a")
    second = tables(jittered(drop(2), 5, points=0.6, seeds=(7, 8, 9)), tmp_path / "b")
    names = regressions(compare_tables(first, second, 0.05))
    assert "paper table 1: mvtec, anomalyclip, pixel_auroc" in names
    assert not [name for name in names if "mvtec" not in name and "average" not in name]


def test_a_drop_of_a_quarter_point_is_within_noise(before: Path, tmp_path: Path) -> None:
    found = compare_tables(before, tables(drop(0.25), tmp_path), 0.05)
    assert found
    assert regressions(found) == []


def test_a_rise_is_no_regression(before: Path, tmp_path: Path) -> None:
    found = compare_tables(before, tables(drop(-2), tmp_path), 0.05)
    assert "better" in {it.verdict for it in found}
    assert regressions(found) == []


def test_what_went_is_a_regression(before: Path, tmp_path: Path) -> None:
    rows = [it for it in paper_rows() if (it.dataset, it.subset, it.method) != ("mvtec", "bottle", "clip")]
    names = regressions(compare_tables(before, tables(rows, tmp_path), 0.05))
    assert "paper table subsets: mvtec, bottle, clip, image_auroc" in names
    assert "paper table 1: mvtec, clip, image_auroc" in names


def test_the_noise_of_a_cell(before: Path, tmp_path: Path) -> None:
    cell = ("bottle", "clip")
    rows = [
        replace(it, pixel_auroc=(it.pixel_auroc or 0) - 0.1) if (it.subset, it.method) == cell else it
        for it in paper_rows()
    ]
    found = {it.name: it for it in compare_tables(before, tables(rows, tmp_path), 0.05)}
    moved = found["paper table subsets: mvtec, bottle, clip, pixel_auroc"]
    assert moved.noise == pytest.approx(100 * SE * 2**0.5)
    assert moved.verdict == "worse"


def test_moves_within_the_tolerance_count_in_holms_bound(before: Path, tmp_path: Path) -> None:
    """A cell with p = 0.03 is beyond noise alone, and within it once another cell moved at all."""
    name = "paper table subsets: mvtec, bottle, clip, pixel_auroc"
    beyond = 2.17 * SE * 2**0.5
    for moves, verdict in (
        ({"bottle": beyond}, "worse"),
        ({"bottle": beyond, "cable": 0.0004}, "within noise"),
    ):
        rows = [
            replace(it, pixel_auroc=(it.pixel_auroc or 0) - moves.get(it.subset, 0))
            if (it.dataset, it.method) == ("mvtec", "clip")
            else it
            for it in paper_rows()
        ]
        found = compare_tables(before, tables(rows, tmp_path / verdict), 0.05)
        assert [it.verdict for it in found if it.name == name] == [verdict]
        assert not [it for it in found if "cable" in it.name]


def measured(se: float | None, training_se: float | None = None, seeds: str = "") -> Value:
    """A value with what a comparison asks of it."""
    known = {"se": se, "training_se": training_se, "seeds": seeds}
    return Value(
        **dict.fromkeys(COLUMNS, "") | {name: str(it) for name, it in known.items() if it is not None}
    )


def test_noise_adds_what_is_known() -> None:
    one, other = measured(0.3, 0.4, "1"), measured(0.4, 0.4, "1")
    for paired, deviation in ((None, math.hypot(0.5, 0.4, 0.4)), (0.0, math.hypot(0.4, 0.4))):
        assert noise(one, other, paired=paired) == pytest.approx((deviation, math.inf))
    assert noise(measured(None), measured(0.1)) == NO_ERROR
    assert noise(measured(None), measured(0.1), paired=0.2) == (0.2, math.inf)
    assert noise(one, measured(0.4, 0.4, "2")) == OTHER_SEEDS


def test_few_seeds_leave_few_degrees_of_freedom() -> None:
    found = noise(measured(0.0, 0.4, "1 2 3"), measured(0.0, 0.4, "4 5 6"))
    assert not isinstance(found, str)
    deviation, freedom = found
    assert freedom == pytest.approx(4)
    # Student's t with 4 degrees of freedom: 2.776 is the two-sided 5 % point.
    assert p_value(2.776 * deviation, found) == pytest.approx(0.05, abs=1e-4)
    assert p_value(1.96, (1.0, math.inf)) == pytest.approx(0.05, abs=1e-4)


def test_without_any_spread_nothing_is_judged() -> None:
    """Rows of earlier versions have standard errors of 0."""
    assert noise(measured(0.0), measured(0.0)) == NO_ERROR
    assert noise(measured(0.3), measured(0.3), paired=0.0) == NO_ERROR


def test_holm() -> None:
    assert significant({}) == set()
    assert significant({"a": 0.049}) == {"a"}
    assert significant({"a": 0.049, "b": 0.02}) == {"a", "b"}
    assert significant({"a": 0.049, "b": 0.03}) == set()
    assert significant({"a": 0.01, "b": 0.03, "c": 0.9}) == {"a"}


@pytest.mark.parametrize("values", [1, 40])
def test_what_is_visible_is_found_in_four_of_five_cases(values: int) -> None:
    """With few degrees of freedom the shift of Student's t makes it a little less."""
    rng = np.random.default_rng(1)
    for freedom, share in ((math.inf, 0.8), (12.0, 0.8)):
        least = detectable((2.0, freedom), values)
        scale = 1 if math.isinf(freedom) else np.sqrt(rng.chisquare(freedom, 4000) / freedom)
        moved = (least + rng.normal(0, 2.0, 4000)) / scale
        found = [p_value(it, (2.0, freedom)) <= 0.05 / values for it in moved]
        assert np.mean(found) == pytest.approx(share, abs=0.06)


def test_two_points_in_one_small_cell_are_not_visible() -> None:
    """20 + 60 images at an AUROC of 0.90: a standard error of 3.9 points on both sides."""
    found = noise(measured(3.9), measured(3.9))
    assert not isinstance(found, str)
    assert detectable(found, 1) == pytest.approx(15.5, abs=0.1)
    assert p_value(2.0, found) > 0.7


CELL = CellKey("btad", "01", "clip", "", None)
Array = NDArray[np.float64]


def scores(values: Array, labels: NDArray[np.int64]) -> pd.DataFrame:
    """Rows of `read_scores` for one cell."""
    images = [f"{place:03}.png" for place in range(len(labels))]
    cell = CELL._asdict()
    return pd.DataFrame({"image": images, "label": labels, "score": values}).assign(**cell)


def auroc(values: Array, labels: NDArray[np.int64]) -> float:
    value = image_metrics(labels, values).image_auroc
    assert value is not None
    return value


def test_errors_of_pairs_against_fresh_images() -> None:
    """Two methods that agree but for a little: the spread of their difference over new images."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 60])

    def pair() -> tuple[Array, Array]:
        common = rng.normal(labels)
        return common, common + rng.normal(0, 0.3, len(labels))

    fresh = [auroc(second, labels) - auroc(first, labels) for first, second in (pair() for _ in range(300))]
    found = [
        PairedScores(scores(first, labels), scores(second, labels)).errors(CELL)["image_auroc"]
        for first, second in (pair() for _ in range(12))
    ]
    assert np.mean(found) == pytest.approx(100 * np.std(fresh), rel=0.2)
    first, _ = pair()
    assert PairedScores(scores(first, labels), scores(first, labels)).errors(CELL)["image_auroc"] == 0


def test_images_that_all_move_alike_say_nothing() -> None:
    """The best against the worst ranking: however often an image is left out, the difference is 100."""
    labels = np.repeat([0, 1], [10, 20])
    best, worst = scores(np.arange(30.0), labels), scores(-np.arange(30.0), labels)
    assert "image_auroc" not in PairedScores(best, worst).errors(CELL)
    assert PairedScores(best, best).errors(CELL)["image_auroc"] == 0


def test_a_pair_of_images_says_nothing() -> None:
    labels = np.array([0, 1])
    assert PairedScores(scores(np.arange(2.0), labels), scores(-np.arange(2.0), labels)).errors(CELL) == {}


def test_other_images_are_not_paired() -> None:
    labels = np.array([0, 1, 0, 1])
    first = scores(np.arange(4.0), labels)
    second = first.assign(image=["x.png", *first["image"][1:]])
    assert PairedScores(first, second).errors(CELL) == {}


def test_images_are_left_out_for_what_moved_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 cells that took minutes, most of them for values that were the same."""
    tables(drop(1.0), tmp_path / "a")

    def draw(*_given: object, **_options: object) -> None:
        raise AssertionError("nothing moved")

    monkeypatch.setattr(rule, "image_series", draw)
    assert compare_tables(tmp_path / "a", tmp_path / "a", 0.05) == []


def test_results_folders_are_compared_pairwise(tmp_path: Path) -> None:
    """The same scores on both sides: what moved in the image metrics is then no matter of images."""
    for side, points in (("a", 0.0), ("b", 1.0)):
        tables([replace(it, n_images=6) for it in drop(points)], tmp_path / side)
    found = {it.name: it for it in compare_tables(tmp_path / "a", tmp_path / "b", 0.05)}
    name = "paper table subsets: mvtec, bottle, anomalyclip"
    trainings = {it: 100 * 2**0.5 * retraining(it, 1).deviation for it in ("image_auroc", "pixel_auroc")}
    assert found[f"{name}, image_auroc"].noise == pytest.approx(trainings["image_auroc"])
    own = math.hypot(trainings["pixel_auroc"], 100 * SE * 2**0.5)
    assert found[f"{name}, pixel_auroc"].noise == pytest.approx(own, abs=1e-3)
