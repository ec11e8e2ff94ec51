"""Planning: every cell once, one group a tower pass, longest first, leaks and broken subsets refused."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import catalog
from pipeline.cells import System
from pipeline.plan import Cell, Group, Refused, ResolvedSystem, Subset, make_plan

CLIP = ResolvedSystem(System("clip"), tower="main")
WINCLIP = ResolvedSystem(System("winclip"), tower="windows")
ANOMALYCLIP = ResolvedSystem(System("anomalyclip"), tower="main", learnt=True)


def rule(dataset: str) -> str:
    """The paper's."""
    return "visa" if dataset == "mvtec" else "mvtec"


SUBSETS = (
    Subset("mvtec", "bottle", 10),
    Subset("visa", "candle", 30),
    Subset("btad", "01", 20),
)


def plan(
    systems: Sequence[ResolvedSystem],
    subsets: Sequence[Subset] = SUBSETS,
    *,
    seeds: Sequence[int] = (1,),
    tuned_on: Callable[[str], str] = rule,
) -> tuple[list[Group], list[Refused]]:
    """A plan with what the catalog knows of auxiliary sets."""

    def held(auxiliary: str) -> Sequence[str]:
        return catalog.record(auxiliary).holds_images_of

    return make_plan(systems, subsets, seeds=seeds, tuned_on=tuned_on, holds_images_of=held)


def cells(groups: Sequence[Group]) -> list[Cell]:
    return [cell for group in groups for cell in group.cells]


def test_methods_of_one_tower_share_a_group() -> None:
    groups, _ = plan([CLIP, ANOMALYCLIP, WINCLIP], seeds=[1, 2])
    assert len(groups) == 6
    main = next(group for group in groups if group.tower == "main" and group.dataset == "btad")
    assert [cell.resolved for cell in main.cells] == [CLIP, ANOMALYCLIP, ANOMALYCLIP]
    assert [cell.key.seed for cell in main.cells] == [None, 1, 2]
    assert [cell.auxiliary for cell in main.cells] == [None, "mvtec", "mvtec"]
    assert {(group.dataset, group.subset, group.images) for group in groups} == {
        (subset.dataset, subset.name, subset.images) for subset in SUBSETS
    }


def test_longest_group_goes_first() -> None:
    groups, _ = plan([CLIP])
    assert [group.dataset for group in groups] == ["visa", "btad", "mvtec"]


def test_a_learnt_method_is_evaluated_where_it_was_not_tuned() -> None:
    groups, refused = plan([ANOMALYCLIP])
    assert {cell.key.dataset: cell.auxiliary for cell in cells(groups)} == {
        "mvtec": "visa",
        "visa": "mvtec",
        "btad": "mvtec",
    }
    assert not refused


def test_a_leak_is_refused_and_the_rest_is_planned() -> None:
    groups, refused = plan([CLIP, ANOMALYCLIP], tuned_on=lambda _dataset: "visa")
    assert [cell.key.name for cell, _ in refused] == ["anomalyclip on visa/candle, seed 1"]
    assert "leak" in refused[0][1]
    assert "a second set under `auxiliary`, or leave visa out" in refused[0][1]
    assert len(cells(groups)) == 5


RETUNED = replace(
    ANOMALYCLIP, system=System("vand", "medical"), auxiliary="colon_auxiliary", datasets=("btad", "visa")
)


def test_a_system_with_an_auxiliary_set_of_its_own_is_planned_where_it_asks() -> None:
    groups, refused = plan([ANOMALYCLIP, RETUNED], seeds=[1, 2])
    own = [cell for cell in cells(groups) if cell.resolved == RETUNED]
    assert sorted((cell.key.dataset, cell.key.seed, cell.auxiliary) for cell in own) == [
        (name, seed, "colon_auxiliary") for name in ("btad", "visa") for seed in (1, 2)
    ]
    assert len(cells(groups)) == 6 + 4
    assert not refused


@pytest.mark.parametrize("dataset", ["cvc_colondb", "colon_auxiliary"])
def test_images_that_the_auxiliary_set_holds_are_a_leak(dataset: str) -> None:
    greedy = replace(RETUNED, datasets=(dataset, "endo"))
    subsets = [Subset(dataset, "colon", 12), Subset("endo", "colon", 12)]
    groups, refused = plan([CLIP, greedy], subsets)
    assert [cell.key.name for cell, _ in refused] == [f"vand[medical] on {dataset}/colon, seed 1"]
    assert f"leave {dataset} out of retuned.medical.datasets" in refused[0][1]
    assert [cell.key.dataset for cell in cells(groups) if cell.resolved == greedy] == ["endo"]


def test_the_common_rule_may_not_leak_through_held_images_either() -> None:
    subsets = [Subset("cvc_colondb", "colon", 12)]
    _, refused = plan([ANOMALYCLIP], subsets, tuned_on=lambda _dataset: "colon_auxiliary")
    assert "tuned on colon_auxiliary, which holds images of cvc_colondb, and" in refused[0][1]
    assert "leave cvc_colondb out of `datasets`" in refused[0][1]


@pytest.mark.parametrize("dataset", ["visa", "cvc_clinicdb", "cvc_colondb"])
def test_a_union_leaks_where_one_of_its_members_does(dataset: str) -> None:
    united = replace(RETUNED, auxiliary="visa+cvc_clinicdb+colon_auxiliary", datasets=(dataset, "endo"))
    groups, refused = plan([united], [Subset(dataset, "a", 12), Subset("endo", "colon", 12)])
    assert [cell.key.dataset for cell, _ in refused] == [dataset]
    assert "was tuned on visa+cvc_clinicdb+colon_auxiliary" in refused[0][1]
    assert [cell.auxiliary for cell in cells(groups)] == ["visa+cvc_clinicdb+colon_auxiliary"]


def test_a_broken_subset_costs_its_own_cells() -> None:
    broken = Subset("visa", "candle", 0, error="data/visa/candle/001.JPG cannot be decoded")
    groups, refused = plan([CLIP, ANOMALYCLIP], [SUBSETS[0], broken])
    assert {reason for _, reason in refused} == {broken.error}
    assert {cell.key.dataset for cell in cells(groups)} == {"mvtec"}


def test_an_unusable_system_costs_its_own_cells() -> None:
    unknown = ResolvedSystem(System("wincli"), error="unknown method 'wincli'")
    groups, refused = plan([unknown, CLIP])
    assert [cell.key.method for cell, _ in refused] == ["wincli"] * 3
    assert len(cells(groups)) == 3


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
    groups, refused = plan([CLIP, WINCLIP, ANOMALYCLIP], subsets, seeds=seeds)
    every: list[Cell] = [*cells(groups), *(cell for cell, _ in refused)]
    assert len(every) == len(set(every)) == len(subsets) * (2 + len(seeds))
    assert [group.images for group in groups] == sorted((g.images for g in groups), reverse=True)
    assert all(cell.auxiliary != cell.key.dataset for cell in cells(groups))
