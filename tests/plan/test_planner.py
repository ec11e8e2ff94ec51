"""Planning: every cell once, one group a tower pass, longest first, leaks and broken subsets refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.params import AuxiliaryParams
from pipeline.plan import Cell, Entry, Subset, make_plan

CLIP = Entry("clip", "", "main", learnt=False)
WINCLIP = Entry("winclip", "", "windows", learnt=False)
ANOMALYCLIP = Entry("anomalyclip", "", "main", learnt=True)
RULE = AuxiliaryParams(default="mvtec", exceptions={"mvtec": "visa"})
SUBSETS = (
    Subset("mvtec", "bottle", 10),
    Subset("visa", "candle", 30),
    Subset("btad", "01", 20),
)


def test_methods_of_one_tower_share_a_group() -> None:
    plan = make_plan([CLIP, ANOMALYCLIP, WINCLIP], SUBSETS, seeds=[1, 2], tuned_on=RULE.tuned_on)
    assert len(plan.groups) == 6
    main = next(group for group in plan.groups if group.tower == "main" and group.dataset == "btad")
    assert [cell.entry for cell in main.cells] == [CLIP, ANOMALYCLIP, ANOMALYCLIP]
    assert [cell.seed for cell in main.cells] == [None, 1, 2]
    assert [cell.auxiliary for cell in main.cells] == [None, "mvtec", "mvtec"]
    assert {(group.dataset, group.subset, group.images) for group in plan.groups} == {
        (subset.dataset, subset.name, subset.images) for subset in SUBSETS
    }


def test_longest_group_goes_first() -> None:
    plan = make_plan([CLIP], SUBSETS, seeds=[1], tuned_on=RULE.tuned_on)
    assert [group.dataset for group in plan.groups] == ["visa", "btad", "mvtec"]


def test_a_learnt_method_is_evaluated_where_it_was_not_tuned() -> None:
    plan = make_plan([ANOMALYCLIP], SUBSETS, seeds=[1], tuned_on=RULE.tuned_on)
    assert {cell.dataset: cell.auxiliary for cell in plan.cells} == {
        "mvtec": "visa",
        "visa": "mvtec",
        "btad": "mvtec",
    }
    assert not plan.refused


def test_a_leak_is_refused_and_the_rest_is_planned() -> None:
    plan = make_plan([CLIP, ANOMALYCLIP], SUBSETS, seeds=[1], tuned_on=lambda _dataset: "visa")
    assert [failure.cell.label for failure in plan.refused] == ["anomalyclip on visa/candle, seed 1"]
    assert "leak" in plan.refused[0].reason
    assert "auxiliary.exceptions.visa" in plan.refused[0].reason
    assert len(plan.cells) == 5


RETUNED = Entry(
    "vand", "medical", "main", learnt=True, auxiliary="colon_auxiliary", datasets=("btad", "visa")
)


def test_an_entry_with_an_auxiliary_set_of_its_own_is_planned_where_it_asks() -> None:
    plan = make_plan([ANOMALYCLIP, RETUNED], SUBSETS, seeds=[1, 2], tuned_on=RULE.tuned_on)
    cells = [(cell.dataset, cell.seed, cell.auxiliary) for cell in plan.cells if cell.entry == RETUNED]
    assert sorted(cells) == [(name, seed, "colon_auxiliary") for name in ("btad", "visa") for seed in (1, 2)]
    assert len(plan.cells) == 6 + 4
    assert not plan.refused


@pytest.mark.parametrize("dataset", ["cvc_colondb", "colon_auxiliary"])
def test_images_that_the_auxiliary_set_holds_are_a_leak(dataset: str) -> None:
    greedy = replace(RETUNED, datasets=(dataset, "endo"))
    subsets = [Subset(dataset, "colon", 12), Subset("endo", "colon", 12)]
    plan = make_plan([CLIP, greedy], subsets, seeds=[1], tuned_on=RULE.tuned_on)
    assert [failure.cell.label for failure in plan.refused] == [f"vand[medical] on {dataset}/colon, seed 1"]
    assert f"leave {dataset} out of retuned.medical.datasets" in plan.refused[0].reason
    assert [cell.dataset for cell in plan.cells if cell.entry == greedy] == ["endo"]


def test_the_common_rule_may_not_leak_through_held_images_either() -> None:
    subsets = [Subset("cvc_colondb", "colon", 12)]
    plan = make_plan([ANOMALYCLIP], subsets, seeds=[1], tuned_on=lambda _dataset: "colon_auxiliary")
    assert "tuned on colon_auxiliary, which holds images of cvc_colondb, and" in plan.refused[0].reason
    assert "auxiliary.exceptions.cvc_colondb" in plan.refused[0].reason


def test_a_broken_subset_costs_its_own_cells() -> None:
    broken = Subset("visa", "candle", 0, error="data/visa/candle/001.JPG cannot be decoded")
    plan = make_plan([CLIP, ANOMALYCLIP], [SUBSETS[0], broken], seeds=[1], tuned_on=RULE.tuned_on)
    assert {failure.reason for failure in plan.refused} == {broken.error}
    assert {cell.dataset for cell in plan.cells} == {"mvtec"}


def test_an_unusable_entry_costs_its_own_cells() -> None:
    unknown = Entry("wincli", "", "", learnt=False, error="unknown method 'wincli'")
    plan = make_plan([unknown, CLIP], SUBSETS, seeds=[1], tuned_on=RULE.tuned_on)
    assert [failure.cell.entry.method for failure in plan.refused] == ["wincli"] * 3
    assert len(plan.cells) == 3


@given(
    images=st.lists(st.integers(0, 2000), min_size=1, max_size=12),
    broken=st.sets(st.integers(0, 11)),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
)
def test_every_cell_is_planned_or_refused_exactly_once(
    images: list[int], broken: set[int], seeds: list[int]
) -> None:
    datasets = ("mvtec", "visa", "btad")
    subsets = [
        Subset(datasets[i % 3], f"s{i}", n, error="broken" if i in broken else None)
        for i, n in enumerate(images)
    ]
    plan = make_plan([CLIP, WINCLIP, ANOMALYCLIP], subsets, seeds=seeds, tuned_on=RULE.tuned_on)
    cells: list[Cell] = [*plan.cells, *(failure.cell for failure in plan.refused)]
    assert len(cells) == len(set(cells)) == len(subsets) * (2 + len(seeds))
    assert [group.images for group in plan.groups] == sorted((g.images for g in plan.groups), reverse=True)
    assert all(cell.auxiliary != cell.dataset for cell in plan.cells)
