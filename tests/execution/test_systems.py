"""From params to systems: variants stand on their method, mistakes stay with their system."""

import re
from typing import Any

import pytest

from pipeline.errors import ParamsError
from pipeline.execution.systems import resolve_systems
from pipeline.params import parse_params


def test_a_variant_stands_on_its_method(small_params: dict[str, Any]) -> None:
    small_params["variants"] = {"clip": {"blurred": {"sigma": 3.0}}}
    clip, blurred, *_ = resolve_systems(parse_params(small_params))
    assert (clip.system.name, blurred.system.name) == ("clip", "clip[blurred]")
    assert (clip.settings["sigma"], blurred.settings["sigma"]) == (1.0, 3.0)
    assert clip.settings["layers"] == blurred.settings["layers"] == [8]


def test_a_variant_changes_one_key_of_a_nested_block(small_params: dict[str, Any]) -> None:
    small_params["methods"] = {"anomalyclip": {"training": {"epochs": 2, "lr": 0.5}}}
    small_params["variants"] = {"anomalyclip": {"untrained": {"training": {"epochs": 0}}}}
    _, untrained = resolve_systems(parse_params(small_params))
    assert untrained.settings["training"] | {"epochs": 0, "lr": 0.5} == untrained.settings["training"]


def test_settings_are_complete(small_params: dict[str, Any]) -> None:
    by_label = {item.system.name: item for item in resolve_systems(parse_params(small_params))}
    assert by_label["anomalyclip"].learnt
    assert by_label["anomalyclip"].settings["n_ctx"] == 12
    assert by_label["anomalyclip"].settings["training"]["lr"] == 1e-3
    assert not by_label["clip_ac"].learnt


def test_a_variant_without_learnt_vectors_is_not_tuned(small_params: dict[str, Any]) -> None:
    """So it has one cell, of no seed and no auxiliary set, however many seeds there are."""
    small_params["seeds"] = [1, 2]
    small_params["variants"] = {
        "anomalyclip": {"t1": {"n_ctx": 0, "deep_layers": 0}, "t2": {"deep_layers": 0}}
    }
    learnt = {it.system.name: it.learnt for it in resolve_systems(parse_params(small_params))}
    assert (learnt["anomalyclip[t1]"], learnt["anomalyclip[t2]"]) == (False, True)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"clop": {}}, "params.yaml: unknown method 'clop'"),
        ({"clip": {"sigma": "wide"}}, "params.yaml: methods.clip.sigma: "),
        ({"clip": {"tower": "north"}}, "params.yaml: methods.clip.tower: 'north' is not under `towers`"),
    ],
)
def test_a_mistake_stays_with_its_system(
    small_params: dict[str, Any], methods: dict[str, Any], message: str
) -> None:
    small_params["methods"] = methods | {"clip_ac": {}}
    broken, fine = resolve_systems(parse_params(small_params))
    assert broken.error is not None
    assert broken.error.startswith(message)
    assert fine.error is None


def test_a_learnt_method_with_a_mistake_still_counts_its_seeds(small_params: dict[str, Any]) -> None:
    small_params["methods"]["anomalyclip"]["n_ctx"] = "many"
    *_, broken = resolve_systems(parse_params(small_params))
    assert broken.error
    assert broken.learnt


def test_a_variant_names_itself_in_its_mistake(small_params: dict[str, Any]) -> None:
    small_params["variants"] = {"clip": {"bad": {"sigma": -1}}}
    _, broken, *_ = resolve_systems(parse_params(small_params))
    assert str(broken.error).startswith("params.yaml: variants.clip.bad: methods.clip.sigma: ")


def test_a_variant_of_no_method_is_refused(small_params: dict[str, Any]) -> None:
    small_params["variants"] = {"coop": {"short": {}}}
    with pytest.raises(ParamsError, match=r"variants\.coop"):
        resolve_systems(parse_params(small_params))


RETUNED = {
    "medical": {"auxiliary": "colon_auxiliary", "methods": ["anomalyclip"], "datasets": ["endo", "tn3k"]}
}


def test_a_retuned_variant_is_its_method_on_another_auxiliary_set(small_params: dict[str, Any]) -> None:
    small_params["retuned"] = RETUNED
    small_params["auxiliaries"].append("colon_auxiliary")
    small_params["datasets"].append("colon_auxiliary")
    plain, retuned = resolve_systems(parse_params(small_params))[-2:]
    assert [plain.system.name, retuned.system.name] == ["anomalyclip", "anomalyclip[medical]"]
    assert (plain.auxiliary, plain.datasets) == (None, None)
    assert (retuned.auxiliary, retuned.datasets) == ("colon_auxiliary", ("endo", "tn3k"))
    assert retuned.settings == plain.settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["anomalyclop"]}, "retuned.medical: unknown method 'anomalyclop'"),
        ({"methods": ["clip"]}, "retuned.medical: 'clip' learns nothing"),
        ({"datasets": ["tn3q"]}, "retuned.medical: unknown data set 'tn3q'; did you mean 'tn3k'"),
        ({"auxiliary": "colon"}, "retuned.medical: unknown data set 'colon'"),
    ],
)
def test_a_retuned_variant_of_something_unknown_is_refused(
    small_params: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    # On data sets that this run has not, so that no auxiliary set is missed first.
    small_params["retuned"] = {"medical": RETUNED["medical"] | {"datasets": ["tn3k"]} | change}
    with pytest.raises(ParamsError, match=re.escape(message)):
        resolve_systems(parse_params(small_params))


def test_two_variants_of_one_name_are_refused(small_params: dict[str, Any]) -> None:
    small_params["retuned"] = {"medical": RETUNED["medical"] | {"datasets": ["tn3k"]}}
    small_params["variants"] = {"anomalyclip": {"medical": {}}}
    with pytest.raises(ParamsError, match=r"variants\.anomalyclip has this name too"):
        resolve_systems(parse_params(small_params))


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("datasets", "endoo", "datasets: unknown data set 'endoo'; did you mean 'endo'? Known: mvtec, "),
        ("own", "widgets", "own: unknown data set 'widgets'; Known: "),
        ("left_out", "tn3q", "left_out: unknown data set 'tn3q'; did you mean 'tn3k'"),
        ("left_out", "covid", "left_out: 'covid' is called 'covid19' here"),
    ],
)
def test_a_data_set_is_named_as_it_is_called_here(
    small_params: dict[str, Any], key: str, name: str, message: str
) -> None:
    small_params[key] = [*small_params.get(key, []), name]
    with pytest.raises(ParamsError, match=re.escape(f"params.yaml: {message}")):
        resolve_systems(parse_params(small_params))


@pytest.mark.parametrize("name", ["mvtek", "MVTec"])
def test_training_on_a_set_that_is_not_called_so_stays_with_its_system(
    small_params: dict[str, Any], name: str
) -> None:
    small_params["methods"] = {"vand": {"training_by_auxiliary": {name: {"epochs": 1}}}, "clip_ac": {}}
    small_params["towers"]["vand"] = small_params["towers"]["main"]
    broken, fine = resolve_systems(parse_params(small_params))
    assert str(broken.error).startswith("params.yaml: methods.vand: ")
    assert "'mvtec'" in str(broken.error)
    assert fine.error is None
