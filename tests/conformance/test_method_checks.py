"""Each rule of a method is broken once, and the check of that rule alone says so."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.clip import Features, Global, Local, Tap
from pipeline.conformance import METHOD_CHECKS, ConformanceError, build_method, check_method
from pipeline.conformance import method as suite
from pipeline.methods.base import LearntMethod, Method, Scores
from pipeline.methods.batch import BatchMethod

CLIP = {"layers": [8]}
TOO_MANY: frozenset[Tap] = frozenset({Global(ln_post=True), Local("qk", 8), Local("qk", 1)})


def failed(method: Method) -> dict[str, str]:
    """Names of the checks that a method does not pass, and what they say."""
    said = {}
    for check in METHOD_CHECKS:
        try:
            check(method)
        except (ConformanceError, IndexError, KeyError) as error:
            said[check.__name__] = str(error)
    return said


def broken(monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any]) -> Method:
    """A shipped method with some attributes of its class replaced."""
    method = build_method(name, CLIP)
    for attribute, value in change.items():
        monkeypatch.setattr(type(method), attribute, value)
    return method


def original(name: str) -> Any:
    return type(build_method(name, CLIP)).score


def rescored(change: Any) -> Any:
    score = original("clip")

    def changed(self: Method, features: Features, text: Tensor) -> Scores:
        made: Scores = change(score(self, features, text), features)
        return made

    return changed


def test_a_method_of_the_batch_track_is_checked_on_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    method = build_method("musc", {"layers": [8]})
    assert not failed(method)
    whole: Any = vars(type(method))["score_subset"]

    def at_once(self: BatchMethod, features: Features, text: None, batch: int) -> Iterator[Scores]:
        yield from whole(self, features, text, batch + 99)

    def by_piece(self: BatchMethod, features: Features, text: None, batch: int) -> Iterator[Scores]:
        for piece in whole(self, features, text, batch):
            yield Scores(piece.image - piece.image.min(), piece.maps)

    monkeypatch.setattr(type(method), "score_subset", at_once)
    assert failed(method).keys() == {"batch_does_not_matter"}
    monkeypatch.setattr(type(method), "score_subset", by_piece)
    assert "in pieces than at once" in failed(method)["batch_does_not_matter"]


def nan(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image * torch.nan, scores.maps)


def double(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image, scores.maps.double())


def flat(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image[:, None], scores.maps)


def relative(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image - scores.image.mean(), scores.maps)


def ranked(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image + torch.arange(len(scores.image)), scores.maps)


def in_place(scores: Scores, features: Features) -> Scores:
    for value in features.values():
        value.mul_(2)
    return scores


def random(scores: Scores, _: Features) -> Scores:
    return Scores(scores.image, scores.maps + torch.rand(()))


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (nan, {"scores_are_finite_float32", "batch_does_not_matter", "order_does_not_matter"}),
        (double, {"scores_are_finite_float32"}),
        (flat, {"scores_are_finite_float32"}),
        (relative, {"batch_does_not_matter"}),
        (ranked, {"batch_does_not_matter", "order_does_not_matter"}),
        (in_place, {"scoring_leaves_no_trace"}),
        (random, {"batch_does_not_matter", "order_does_not_matter", "scoring_leaves_no_trace",
                  "global_randomness_is_untouched", "text_serves_another_instance"}),
    ],
)  # fmt: skip
def test_broken_scores(monkeypatch: pytest.MonkeyPatch, change: Any, checks: set[str]) -> None:
    assert set(failed(broken(monkeypatch, "clip", {"score": rescored(change)}))) == checks


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        ({"title": ""}, "has_name_title_and_docstring", "`title` is empty"),
        ({"name": "clap"}, "has_name_title_and_docstring", "'clap' is no known method"),
        ({"class_aware": False}, "class_aware_tells_the_truth", "text sides of two classes differ"),
        (
            {"text_features": lambda self, name: 2 * self.clip.text.encode([name, f"bad {name}"])},
            "text_side_is_pairs_of_unit_rows",
            "lengths",
        ),
        (
            {"taps": property(lambda _: TOO_MANY)},
            "taps_are_what_is_read",
            "is named and never read",
        ),
        (
            {"text_features": lambda self, name: self.clip.text.encode([name])},
            "text_side_is_pairs_of_unit_rows",
            "shape",
        ),
    ],
)  # fmt: skip
def test_broken_sides(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], check: str, message: str
) -> None:
    assert message in failed(broken(monkeypatch, "clip", change))[check]


def test_a_tap_that_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    method = broken(monkeypatch, "clip", {"taps": property(lambda _: frozenset([Global(ln_post=True)]))})
    with pytest.raises(ConformanceError, match="is read and not named"):
        suite.taps_are_what_is_read(method)


@pytest.mark.parametrize(
    ("taps", "message"),
    [(TOO_MANY, "is not among taps"), (frozenset([Global(ln_post=True)]), "is read and not named")],
)
def test_taps_of_a_loss(monkeypatch: pytest.MonkeyPatch, taps: Any, message: str) -> None:
    method = broken(monkeypatch, "vand", {"loss_taps": property(lambda _: taps)})
    assert message in failed(method)["loss_taps_are_what_the_loss_reads"]


def constant(self: LearntMethod, generator: torch.Generator) -> None:
    for parameter in self.trainable().parameters():
        parameter.data.fill_(0.5)


def forget(self: LearntMethod, given: Any) -> None:
    """Do nothing."""


def unseeded(self: LearntMethod, generator: torch.Generator) -> None:
    for parameter in self.trainable().parameters():
        parameter.data.normal_()


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        ({"reset": constant}, "learning_follows_the_seed", "is the same under another seed"),
        ({"reset": unseeded}, "learning_follows_the_seed", "differs under the same seed"),
        ({"reset": unseeded}, "global_randomness_is_untouched", "global random state"),
        ({"load_state": forget}, "learnt_state_comes_back", "gives other scores"),
        ({"reset": forget}, "learnt_state_comes_back", "move no score"),
    ],
)  # fmt: skip
def test_broken_learning(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], check: str, message: str
) -> None:
    assert message in failed(broken(monkeypatch, "coop", change))[check]


def test_a_gradient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    free = original("coop").__wrapped__
    method = broken(monkeypatch, "coop", {"text_features": type(build_method("coop", CLIP)).text_features})
    monkeypatch.setattr(
        type(method),
        "score",
        lambda self, features, text: free(self, features, text.clone().requires_grad_()),
    )
    assert "has a gradient" in failed(method)["scoring_leaves_no_trace"]


def test_what_is_kept_beside_the_text_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = type(build_method("clip", CLIP)).text_features

    def keeps(self: Any, name: str) -> Tensor:
        self.factor = 2.0
        text: Tensor | None = encode(self, name)
        assert text is not None
        return text

    def scaled(self: Any, features: Features, text: Tensor) -> Scores:
        scores = original_score(self, features, text)
        return Scores(scores.image, scores.maps * getattr(self, "factor", 1.0))

    original_score = original("clip")
    method = broken(monkeypatch, "clip", {"text_features": keeps, "score": scaled})
    assert set(failed(method)) == {"text_serves_another_instance"}


def test_one_error_lists_all(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, "clip", {"title": "", "class_aware": False})
    with pytest.raises(ConformanceError) as caught:
        check_method("clip", CLIP)
    first, second = str(caught.value).splitlines()
    assert first.startswith("clip: has_name_title_and_docstring: ")
    assert second.startswith("clip: class_aware_tells_the_truth: ")
