"""`params.yaml`: what is accepted, what is refused, and that the committed file is the miniature profile."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pipeline import catalog
from pipeline.errors import ParamsError
from pipeline.execution.systems import resolve_systems
from pipeline.params import Params, load_params, parse_params
from pipeline.tables import published_table
from pipeline.tables.published import SINCE
from tests.project import ROOT


def composed(*overrides: str) -> Any:
    """The params that `dvc exp run -S ...` writes."""
    OmegaConf.register_new_resolver("missing", lambda word: word, replace=True)  # whose data are here or not
    with initialize_config_dir(str(ROOT / "pipeline" / "conf"), version_base=None):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)


@pytest.fixture
def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    return loaded


def test_committed_params_are_the_miniature_profile(values: dict[str, Any]) -> None:
    params = parse_params(values)
    assert params.profile == "miniature"
    assert params.datasets == (*catalog.names(), *catalog.auxiliary_names())
    assert params.tuned_on("mvtec") == "visa"
    assert params.tuned_on("tn3k") == "mvtec"
    assert params.sizes() == (72, 112)
    assert list(params.methods) == ["clip", "clip_ac", "winclip", "vand", "coop", "anomalyclip"]


def test_one_word_says_what_learnt_methods_are_tuned_on() -> None:
    visa = parse_params(composed("protocol=visa"))
    assert [visa.tuned_on(name) for name in ("mvtec", "visa", "tn3k")] == ["visa", "mvtec", "visa"]
    assert visa.protocols == ("visa",)
    both = parse_params(composed("protocol=both"))
    assert both.protocols == ("mvtec", "visa")
    assert both.tuned_on("tn3k") == "mvtec"


@pytest.mark.parametrize("profile", ["miniature", "paper"])
def test_one_word_adds_a_suite(profile: str) -> None:
    usual, wider = composed(f"profile={profile}"), composed(f"profile={profile}", "suite=extended-2026.12")
    added = catalog.names("extended-2026.12")
    assert wider == usual | {"datasets": [*catalog.names(), *added, *catalog.auxiliary_names()]}
    assert parse_params(wider).datasets == tuple(wider["datasets"])


@pytest.mark.parametrize(("profile", "committed"), [("miniature", True), ("paper", False)])
def test_profiles_compose_to_valid_params(profile: str, committed: bool, values: dict[str, Any]) -> None:
    made = composed(f"profile={profile}")
    assert parse_params(made).profile == profile
    assert (made == values) is committed


@pytest.mark.parametrize("profile", ["miniature", "paper"])
def test_one_word_adds_the_methods_since_2024_behind_the_papers(profile: str) -> None:
    six = composed(f"profile={profile}")
    wider = composed(f"profile={profile}", "systems=extended")
    names = list(wider["methods"])
    assert names[:6] == list(six["methods"])
    assert {"af_clip", "faprompt", "glocalclip", "uniadet"} <= set(names[6:]) <= set(SINCE)
    assert {key: value for key, value in wider.items() if key != "methods"} == {
        key: value for key, value in six.items() if key != "methods"
    }
    assert not [item.error for item in resolve_systems(parse_params(wider)) if item.error]


@pytest.mark.parametrize("profile", ["miniature", "paper"])
@pytest.mark.parametrize(
    ("word", "track", "names"),
    [
        ("batch", "batch", {"musc"}),
        ("few_shot", "few-shot", {"winclip_plus", "af_clip_few_shot"}),
    ],
)
def test_one_word_adds_a_track_beside_the_papers(
    profile: str, word: str, track: str, names: set[str]
) -> None:
    six, wider = composed(f"profile={profile}"), composed(f"profile={profile}", f"systems={word}")
    assert list(wider["methods"])[:6] == list(six["methods"])
    systems = resolve_systems(parse_params(wider))
    assert not [item.error for item in systems if item.error]
    assert {item.system.method for item in systems if item.track == track} == names
    assert {item.track for item in systems if item.system.method in six["methods"]} == {"main"}
    assert not names & six["methods"].keys()


@pytest.mark.parametrize(
    ("choice", "variants", "one"),
    [
        ("ablations", 9, "anomalyclip[object_aware]"),
        ("sweeps", 12, "anomalyclip[context_8]"),
        ("[ablations,sweeps]", 21, "anomalyclip[sigma_0]"),
        ("appendix", 12, "anomalyclip[h14]"),
        ("[ablations,appendix]", 18, "anomalyclip[dice_only]"),
    ],
)
def test_variants_compose_to_entries_without_an_error(choice: str, variants: int, one: str) -> None:
    systems = resolve_systems(parse_params(composed(f"variants={choice}")))
    labels = [item.system.name for item in systems if not item.error]
    assert len(labels) == 6 + variants + 2
    assert one in labels


def test_what_authors_chose_by_target_are_variants_of_the_extended_systems() -> None:
    made = composed("profile=paper", "systems=extended", "variants=as_published")
    systems = resolve_systems(parse_params(made))
    assert not [item.error for item in systems if item.error]
    labels = {item.system.name for item in systems}
    assert {f"{method}[{name}]" for method, its in made["variants"].items() for name in its} <= labels
    assert "glocalclip[for_mvtec]" in labels


def test_committed_params_tune_two_methods_for_table_3(values: dict[str, Any]) -> None:
    (block,) = parse_params(values).retuned.items()
    published = {(it.method, it.dataset) for it in published_table(3)}
    assert block[0] == "medical"
    assert block[1].auxiliary == "colon_auxiliary"
    assert {(method, dataset) for method in block[1].methods for dataset in block[1].datasets} == published


def test_table_3_can_be_left_out(values: dict[str, Any]) -> None:
    assert composed("retuned=none") == values | {"retuned": {}}


def test_a_run_without_the_data_sets_of_a_retuned_variant_needs_no_auxiliary_set_for_it(
    values: dict[str, Any],
) -> None:
    cut = {"datasets": ["mvtec", "visa"], "auxiliaries": ["mvtec", "visa"]}
    assert "medical" in parse_params(values | cut).retuned


UNIONS = ["mvtec+cvc_colondb", "visa+cvc_clinicdb"]


def test_a_union_stands_where_a_data_set_does(values: dict[str, Any]) -> None:
    changes = {"unions": UNIONS, "auxiliary": UNIONS, "protocol": UNIONS[1]}
    params = parse_params(values | changes)
    assert params.trained_on == ("mvtec", "visa", "colon_auxiliary", *UNIONS)
    tuned = {name: params.tuned_on(name) for name in ("visa", "cvc_clinicdb", "mvtec", "cvc_colondb", "isic")}
    assert tuned == dict.fromkeys(("visa", "cvc_clinicdb"), UNIONS[0]) | dict.fromkeys(
        ("mvtec", "cvc_colondb", "isic"), UNIONS[1]
    )
    assert composed(f"unions=[{','.join(UNIONS)}]", f"auxiliary=[{UNIONS[1]}]", f"protocol={UNIONS[1]}") == (
        values | {"unions": UNIONS, "auxiliary": UNIONS[1:], "protocol": UNIONS[1]}
    )


def test_a_union_one_of_whose_members_is_not_here_is_left_out(values: dict[str, Any]) -> None:
    changes = {"auxiliary": UNIONS, "protocol": UNIONS[0], "unions": UNIONS[:1], "left_out": ["cvc_clinicdb"]}
    changes["datasets"] = [name for name in values["datasets"] if name != "cvc_clinicdb"]
    params = parse_params(values | changes)
    assert [params.leaves_out(union) for union in UNIONS] == [False, True]


def test_outputs_of_two_profiles_do_not_overlap(values: dict[str, Any]) -> None:
    mini, paper = parse_params(values), parse_params(values | {"profile": "paper"})
    for folder in ("shards", "weights", "results"):
        assert getattr(mini, folder) != getattr(paper, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"compute": {"backend": "ray", "batch": 0}},
            "compute.batch: a whole number from 1 to 65536",
        ),
        (
            {"compute": {"backend": "ray", "batch": "auto"}},
            "compute: batch: auto is by the memory of a GPU; give a number where gpus is 0",
        ),
        ({"compute": {"backend": "ray", "cpus": True}}, "compute.cpus: true is a truth value"),
        ({"compute": {"backend": "ray", "gpus": 10**9}}, "compute.gpus: Input should be less"),
        ({"compute": {"backend": "ray", "time_limit": 1e30}}, "compute.time_limit: Input should be less"),
        ({"compute": {"backend": "dask"}}, "compute.backend: Input should be 'ray' or 'serial'"),
        ({"seeds": [1, 1]}, "seeds: an entry stands there twice"),
        ({"seeds": []}, "seeds: "),
        ({"auxiliaries": ["mvtec", "mvtec", "visa"]}, "auxiliaries: an entry stands there twice"),
        ({"builds": {"ssd": "standard conversion"}}, "builds: 'ssd' is not among `datasets`"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"auxiliaries": ["mvtec", "colon_auxiliary"]}, "auxiliaries: 'visa' is missing"),
        ({"auxiliaries": ["mvtec", "visa"]}, "auxiliaries: 'colon_auxiliary' is missing; `retuned.medical`"),
        (
            {"auxiliary": ["mvtec+isic"], "protocol": "mvtec+isic"},
            "unions: 'mvtec+isic' is missing; `auxiliary`",
        ),
        ({"unions": ["mvtec+widgets"]}, "datasets: the auxiliary set 'widgets' is missing"),
        ({"unions": ["mvtec+mvtec"]}, "unions: mvtec+mvtec: an entry stands there twice"),
        ({"unions": ["mvtec+visa", "visa+mvtec"]}, "unions: an entry stands there twice"),
        ({"unions": ["mvtec"]}, "unions.0: String should match pattern"),
        ({"unions": ["mvtec+../a"]}, "unions.0: String should match pattern"),
        ({"protocol": "mvtex"}, "protocol: 'mvtex' is not among `auxiliary`; it can be mvtec, visa, both"),
        ({"auxiliary": {"default": "mvtec"}}, "auxiliary: a list is meant, such as [mvtec, visa]"),
        ({"auxiliary": ["mvtec", "mvtec"]}, "auxiliary: an entry stands there twice"),
        ({"datasets": ["mvtec"]}, "datasets: the auxiliary set 'colon_auxiliary' is missing"),
        ({"retuned": {"medical": {"auxiliary": "visa", "methods": []}}}, "retuned.medical.methods: "),
        ({"datasets": ["../mvtec", "mvtec", "visa"]}, "datasets.0: String should match pattern"),
        ({"profile": "a/b"}, "profile: String should match pattern"),
        ({"methods": {"../x": {}}}, "methods.../x.[key]: String should match pattern"),
        ({"variants": {"clip": {"..": {}}}}, "variants.clip....[key]: String should match pattern"),
    ],
)
def test_a_bad_key_is_named(values: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        parse_params(values | change)
    assert f"params.yaml: {message}" in str(caught.value)


def test_a_batch_by_the_memory_of_a_gpu_is_shared_by_its_workers(values: dict[str, Any]) -> None:
    compute = {"backend": "ray", "gpus": 1, "batch": "auto", "workers_per_gpu": 2}
    asked = parse_params(values | {"compute": compute}).compute
    assert (asked.most_images, asked.fitted_to) == (256, 0.5)
    fixed = parse_params(values | {"compute": compute | {"batch": 8}}).compute
    assert (fixed.most_images, fixed.fitted_to) == (8, None)


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run from the root"):
        load_params(tmp_path / "params.yaml")


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("seeds: [1")
    with pytest.raises(ParamsError, match="cannot be read as YAML: line 2"):
        load_params(path)


def test_params_cannot_be_changed_after_loading(values: dict[str, Any]) -> None:
    params: Params = parse_params(values)
    with pytest.raises(ValueError, match="frozen"):
        params.profile = "paper"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"profile: \xff\n")
    with pytest.raises(ParamsError, match=r"params\.yaml is not UTF-8"):
        load_params(path)
    with pytest.raises(ParamsError, match="cannot be read"):
        load_params(tmp_path)


@pytest.mark.parametrize(
    ("profile", "size", "nearest"), [("miniature", 119, "112 or 120"), ("paper", 512, "504 or 518")]
)
def test_an_image_size_is_whole_patches(profile: str, size: int, nearest: str) -> None:
    made = composed(f"profile={profile}")
    made["towers"]["main"]["image_size"] = size
    with pytest.raises(ParamsError, match=rf"towers\.main: image_size: {size} px .* sizes are {nearest}$"):
        parse_params(made)


@pytest.mark.parametrize("seed", [True, -1, 10**23, 1.5])
def test_a_seed_is_what_random_generators_take(seed: object, values: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: seeds(\.0)?: "):
        parse_params({**values, "seeds": [seed]})
