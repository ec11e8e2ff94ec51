"""What a run is asked for, as params."""

import runpy
from pathlib import Path

import pytest
from dvc.utils.hydra import compose_and_dump

from pipeline.errors import ParamsError
from pipeline.flows.request import Request, profiles
from pipeline.params import load_params, parse_params
from tests.project import Project


def test_nothing_asked_for_is_params_as_they_stand(project: Project) -> None:
    assert Request().as_it_stands
    assert Request(None, [], []).as_it_stands
    assert parse_params(Request().params()) == load_params()


def test_a_profile_is_composed_as_dvc_composes_it(project: Project) -> None:
    asked = parse_params(Request("paper").params())
    folder = project.folder / "pipeline" / "conf"
    compose_and_dump("params.yaml", str(folder), None, "config", str(project.folder), ["profile=paper"])
    assert asked == load_params()
    assert asked.profile == "paper"
    assert profiles() == ("miniature", "paper")


def composed_by_dvc(*overrides: str) -> None:
    """What `dvc exp run -S` does: the plug-in of the project is loaded, then params.yaml is written."""
    runpy.run_path("pipeline/conf/hydra_plugins/missing.py")
    folder = Path("pipeline/conf").resolve()
    compose_and_dump("params.yaml", str(folder), None, "config", str(folder), list(overrides))


def test_dvc_stops_before_params_are_written_and_names_the_next_step(project: Project) -> None:
    before = Path("params.yaml").read_bytes()
    with pytest.raises(SystemExit) as ended:
        composed_by_dvc("profile=paper", "datasets=[mvtec,visa]", "retuned=none")
    assert str(ended.value).splitlines() == [
        "error: 2 of the 2 data sets of the paper profile are not here, and nothing was started:",
        "  mvtec, visa: `zsad download NAME`",
        "`-S missing=leave_out` runs what is here",
    ]
    assert Path("params.yaml").read_bytes() == before


def test_one_word_makes_params_of_what_is_here(project: Project) -> None:
    for name in ("mvtec", "isic"):
        Path("data-paper", name).mkdir(parents=True)
    composed_by_dvc("profile=paper", "missing=leave_out", "limit=4")
    params = load_params()
    assert (params.datasets, params.auxiliaries, params.limit) == (("mvtec", "isic"), ("mvtec",), 4)
    assert len(params.left_out) == 16
    assert params.missing == "leave_out"
    assert Path("weights/paper").is_dir()


@pytest.mark.parametrize("text", ["towers: [", "data_root: ${nowhere}"])
def test_a_profile_that_cannot_be_composed_is_named(project: Project, text: str) -> None:
    (project.folder / "pipeline" / "conf" / "profile" / "paper.yaml").write_text(text)
    with pytest.raises(ParamsError, match="profile 'paper' cannot be composed"):
        Request("paper").params()


def test_methods_are_narrowed_with_their_variants(project: Project) -> None:
    project.set_param("variants", {"anomalyclip": {"base": {"n_ctx": 0}}, "clip": {"wide": {"sigma": 2.0}}})
    asked = parse_params(Request(methods=["clip"]).params())
    assert set(asked.methods) == {"clip"}
    assert set(asked.variants) == {"clip"}
    assert asked.datasets == load_params().datasets


def test_data_sets_bring_the_auxiliary_sets_that_they_need(project: Project) -> None:
    # btad is tuned on sdd, and sdd on btad
    asked = parse_params(Request(datasets=["endo"]).params())
    assert set(asked.datasets) == {"endo", "btad", "sdd"}
    assert set(asked.auxiliaries) == {"btad", "sdd"}
    project.set_param("datasets", ["btad", "sdd", "headct", "endo", "colon_auxiliary"])
    project.set_param("auxiliaries", ["btad", "sdd", "colon_auxiliary"])
    block = {"auxiliary": "colon_auxiliary", "methods": ["anomalyclip"], "datasets": ["headct"]}
    project.set_param("retuned", {"medical": block})
    assert "colon_auxiliary" in Request(datasets=["headct"]).params()["auxiliaries"]
    assert "colon_auxiliary" not in Request(datasets=["endo"]).params()["datasets"]


def test_what_is_not_chosen_is_left_out_a_users_own_data_and_builds_included(project: Project) -> None:
    project.set_param("own", ["widgets", "gears"])
    project.set_param("builds", {"sdd": "standard conversion", "headct": "1/1"})
    asked = parse_params(Request(datasets=["gears"]).params())
    assert asked.own == ("gears",)
    assert set(asked.datasets) == {"btad", "sdd"}
    assert set(asked.builds) == {"sdd"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Request(profile="papre"), "no profile 'papre'.*miniature, paper"),
        (Request(methods=["clop"]), "no method 'clop': did you mean 'clip'"),
        (Request(datasets=["mvtec"]), "'mvtec': `dvc exp run -S suite=paper` runs it, and params.yaml has"),
        (
            Request("paper", datasets=["real_iad"]),
            r"'real_iad': `dvc exp run -S suite=extended-2026\.12` runs",
        ),
        (Request("paper", ["af_clip"]), "'af_clip': put it under `methods` in params.yaml, as .*=extended`"),
        (Request(datasets=["widgest"]), "no data set 'widgest': it has btad, sdd, headct, endo"),
    ],
)
def test_what_does_not_exist_is_named(project: Project, asked: Request, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        asked.params()
