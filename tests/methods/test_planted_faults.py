"""What is a method's own, broken in the code: the tests of that method fail, each by an assertion."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from torch import Tensor

from pipeline.clip import Features, Tap
from pipeline.clip.architecture import mix
from pipeline.methods import af_clip, af_clip_few_shot, faprompt, glocalclip, layers, mrad_tf
from pipeline.methods.auxiliary import AuxiliarySet
from pipeline.methods.faprompt import FaPrompt
from pipeline.methods.few_shot import bank
from pipeline.methods.glocalclip import GlocalClip
from pipeline.methods.losses import binary_focal
from pipeline.methods.mrad_tf import Memory
from pipeline.methods.prompt_learner import CompoundLearner
from pipeline.methods.uniadet import Decisions, UniADet
from tests.clip.towers import Tower, make_tower

from . import test_af_clip as of_af_clip
from . import test_faprompt as of_faprompt
from . import test_few_shot as of_few_shot
from . import test_glocalclip as of_glocalclip
from . import test_mrad as of_mrad
from . import test_uniadet as of_uniadet

Planted = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"))


def no_neighbours(patch: pytest.MonkeyPatch) -> None:
    """AF-CLIP reads every patch alone."""
    patch.setattr(af_clip, "neighbourhood", lambda tokens, _side, _sigma: tokens)


def adaptor_without_queries(patch: pytest.MonkeyPatch) -> None:
    """The adaptor attends by its values, as CLIP's V-V stream does."""
    patch.setattr(layers, "mix", lambda layer, qkv: mix(layer, (qkv[2], qkv[2], qkv[2])))


def no_alignment(patch: pytest.MonkeyPatch) -> None:
    """Patches of unlike kinds are not driven apart."""
    patch.setattr(af_clip, "patch_alignment", lambda tokens, _target: 0 * tokens.sum())


def gradient_of_the_loss(patch: pytest.MonkeyPatch) -> None:
    """Training follows the paper's loss where the public code does not."""
    patch.setattr(af_clip, "focal_as_coded", binary_focal)


def _logits_by(choose: Callable[[UniADet, Sequence[Tap], Tensor], tuple[Sequence[Tap], Tensor]]) -> Planted:
    """UniADet compares other tokens, or with other rows."""
    sound = UniADet._logits

    def logits(self: UniADet, features: Features, taps: Sequence[Tap], rows: Tensor) -> Iterator[Tensor]:
        return sound(self, features, *choose(self, taps, rows))

    return lambda patch: patch.setattr(UniADet, "_logits", logits)


def rows_of_both_tasks(self: UniADet, taps: Sequence[Tap], _rows: Tensor) -> tuple[Sequence[Tap], Tensor]:
    """Maps are decided by the rows of images."""
    return taps, self.trainable().image


def rows_of_every_block(_self: UniADet, taps: Sequence[Tap], rows: Tensor) -> tuple[Sequence[Tap], Tensor]:
    """All blocks are decided by the first one's rows."""
    return taps, rows[:1].expand_as(rows)


def tokens_of_the_last_block(
    _self: UniADet, taps: Sequence[Tap], rows: Tensor
) -> tuple[Sequence[Tap], Tensor]:
    """One block is read under five rows."""
    return [taps[-1]] * len(taps), rows


def mosaics_of_any_class(patch: pytest.MonkeyPatch) -> None:
    """The augmentation does not look at classes."""
    patch.setattr(AuxiliarySet, "members", lambda self, _name: list(range(len(self))))


def one_memory(patch: pytest.MonkeyPatch) -> None:
    """The two tasks' rows are one parameter."""
    sound = Decisions.__init__

    def tied(self: Decisions, *args: Any) -> None:
        sound(self, *args)
        self.patch = self.image

    patch.setattr(Decisions, "__init__", tied)


def one_pair(patch: pytest.MonkeyPatch) -> None:
    """GlocalCLIP reads the image by its local prompts."""
    sound = GlocalClip._text
    patch.setattr(GlocalClip, "_text", lambda self: sound(self)[[1, 1]])


def ties_unlike_states(patch: pytest.MonkeyPatch) -> None:
    """Global normal and local abnormal text are pulled together."""
    sound = glocalclip._triplet
    patch.setattr(
        glocalclip, "_triplet", lambda anchors, others, margin: sound(anchors, others.flip(0), margin)
    )


def _compound_with(change: Callable[[CompoundLearner, Tensor | None], None]) -> Planted:
    """Abnormal prompts are made of altered normal vectors."""
    sound = CompoundLearner.abnormal_features

    def features(self: CompoundLearner, shifts: Tensor | None = None) -> Tensor:
        altered = deepcopy(self)
        change(altered, shifts)
        return sound(altered, None if shifts is None else 0 * shifts)

    return lambda patch: patch.setattr(CompoundLearner, "abnormal_features", features)


def without_the_normal_vectors(learner: CompoundLearner, _shifts: Tensor | None) -> None:
    """Abnormal prompts do not begin as the normal one does."""
    learner.normal.data.zero_()


def prior_of_the_normal_vectors(learner: CompoundLearner, shifts: Tensor | None) -> None:
    """FAPrompt's prior moves the vectors that both states share."""
    if shifts is not None:
        learner.normal.data += shifts[:1, None]


def no_prior(patch: pytest.MonkeyPatch) -> None:
    """All of FAPrompt's images share one text."""
    sound = FaPrompt._priors
    patch.setattr(FaPrompt, "_priors", lambda self, patches, p: 0 * sound(self, patches, p))


def unused_order(patch: pytest.MonkeyPatch) -> None:
    """The most abnormal patches are asked for and not taken, as in the public code."""
    sound = FaPrompt._priors
    patch.setattr(FaPrompt, "_priors", lambda self, patches, p: sound(self, patches, 0 * p))


def prompts_left_alike(patch: pytest.MonkeyPatch) -> None:
    """FAPrompt's abnormal prompts are not driven apart."""
    patch.setattr(faprompt, "likeness", lambda features: 0 * features.sum())


def no_memory(patch: pytest.MonkeyPatch) -> None:
    """No image is far from any reference."""
    patch.setattr(af_clip_few_shot, "nearest_distances", lambda rows, _memory: 0 * rows.sum(-1))


def memory_of_the_first_reference(patch: pytest.MonkeyPatch) -> None:
    """One reference image is remembered, however many there are."""
    patch.setattr(af_clip_few_shot, "bank", lambda rows: bank(rows[:1]))


def memory_of_normal_keys(patch: pytest.MonkeyPatch) -> None:
    """MRAD's memory does not know which keys are anomalous."""
    sound = Memory.remember
    patch.setattr(Memory, "remember", lambda self, keys, labels: sound(self, keys, 0 * labels))


def patches_alone(patch: pytest.MonkeyPatch) -> None:
    """MRAD reads every patch without its neighbours."""
    patch.setattr(mrad_tf, "smoothed", lambda patches: patches)


def finds_itself(patch: pytest.MonkeyPatch) -> None:
    """MRAD-FT sees in training the keys that the image itself has left."""
    sound = Memory.forward
    patch.setattr(Memory, "forward", lambda self, queries, _quantile=None: sound(self, queries))


FAULTS: dict[str, tuple[Planted, Callable[[Tower], object]]] = {
    "af_clip: no neighbours": (no_neighbours, of_af_clip.test_scores),
    "af_clip: adaptor without queries": (adaptor_without_queries, of_af_clip.test_scores),
    "af_clip: no alignment": (no_alignment, partial(of_af_clip.step, gradient="as_coded")),
    "af_clip: gradient of the loss": (gradient_of_the_loss, partial(of_af_clip.step, gradient="as_coded")),
    "af_clip_few_shot: no memory": (no_memory, of_few_shot.af_clip_agrees),
    "af_clip_few_shot: one reference": (memory_of_the_first_reference, of_few_shot.af_clip_agrees),
    "af_clip_few_shot: patches alone": (no_neighbours, of_few_shot.af_clip_agrees),
    "uniadet: rows of both tasks": (
        _logits_by(rows_of_both_tasks),
        of_uniadet.test_tasks_and_blocks_share_nothing,
    ),
    "uniadet: rows of every block": (
        _logits_by(rows_of_every_block),
        partial(of_uniadet.test_scores, fusion="late", joint=True),
    ),
    "uniadet: tokens of the last block": (
        _logits_by(tokens_of_the_last_block),
        partial(of_uniadet.test_scores, fusion="late", joint=True),
    ),
    "uniadet: one memory": (one_memory, of_uniadet.test_tasks_and_blocks_share_nothing),
    "uniadet: mosaics of any class": (
        mosaics_of_any_class,
        lambda _: of_uniadet.test_a_mosaic_holds_its_image_and_others_of_the_class(2),
    ),
    "mrad: memory of normal keys": (memory_of_normal_keys, of_mrad.memory_agrees),
    "mrad: patches alone": (patches_alone, partial(of_mrad.scores_agree, name="mrad_tf")),
    "mrad: finds itself": (finds_itself, of_mrad.step_agrees),
    "glocalclip: one pair": (one_pair, of_glocalclip.scores_agree),
    "glocalclip: ties unlike states": (ties_unlike_states, of_glocalclip.step_agrees),
    "glocalclip: no normal vectors": (
        _compound_with(without_the_normal_vectors),
        of_glocalclip.scores_agree,
    ),
    "faprompt: no prior": (no_prior, partial(of_faprompt.scores_agree, prior="first_10")),
    "faprompt: unused order": (unused_order, partial(of_faprompt.scores_agree, prior="top_10")),
    "faprompt: prior of the normal vectors": (
        _compound_with(prior_of_the_normal_vectors),
        partial(of_faprompt.scores_agree, prior="first_10"),
    ),
    "faprompt: prompts left alike": (prompts_left_alike, partial(of_faprompt.step_agrees, prior="first_10")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen(name: str, tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    planted, check = FAULTS[name]
    check(tower)
    with monkeypatch.context() as patch:
        planted(patch)
        with pytest.raises(AssertionError):
            check(tower)
