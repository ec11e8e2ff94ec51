"""Bayes-PFL's official checkpoint, `{"MyModel": state dict}`: its names and shapes to ours, and back.

The public code keeps each encoder under two or three names, and decoders that are in no loss and no score:
the copies and the decoders are dropped, and written again on the way out, the decoders as zeros, where the
official loader only wants them to be there. The file says nothing of its tower. The public code draws anew in
every evaluation; here the seed of the draws is 0 for what comes from outside.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.clip import Clip
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.methods.bayes_pfl import BayesPfl
from pipeline.methods.bayes_pfl_parts import BayesPflSettings, Parts
from pipeline.training.formats import State, numbered, require_shapes, spaced_layers

_PREFIXES = {
    "bank.context": "prompt_context",
    "attention.query.": "RCA.q_proj_pre.",
    "attention.project.": "RCA.linear_proj.",
    "image.text_map.": "class_mapping.",
    "image.image_map.": "image_mapping.",
    "image.pooling.mix.": "fuse.fuse_modules.",
    "image.pooling.weight.": "fuse.compress.",
    "image.pooling.out.": "fuse.post_process.",
    "temperature.": "temperature_",
    "encoders.context.mean.": "context_encoder.weight_mean.module.",
    "encoders.context.variance.": "context_encoder.weight_log_variance.module.",
    "encoders.state.mean.": "state_encoder.weight_mean.module.",
    "encoders.state.variance.": "state_encoder.weight_log_variance.module.",
    "flows.context.": "PFL_context.amor_",
    "flows.normal.constant": "PFL_normal.state",
    "flows.abnormal.constant": "PFL_abnormal.state",
    "flows.normal.": "PFL_normal.amor_",
    "flows.abnormal.": "PFL_abnormal.amor_",
}
"""First parts of our names to those of the public code; the first that fits."""
_WIDE = {"attention.query.weight": (2,)} | {
    f"flows.{side}.{name}": places
    for side in ("normal", "abnormal")
    for name, places in {"u": (3,), "w": (2,), "b": (2, 3)}.items()
}
"""Where the public code has dimensions of length 1, with which it convolves and multiplies."""
_STATES = ("prompt_state_normal", "prompt_state_abnormal")  # one tensor here
_USERS = {"PFL_context": "context", "PFL_normal": "state", "PFL_abnormal": "state"}
"""Parts of the public code that keep an encoder and a decoder under names of their own, and whose."""
_DEPTH = (0, 2, 4)  # places of the linear layers of an MLP


class BayesPflFormat:
    """See `pipeline.training.formats.Format`."""

    method = BayesPfl.name
    key = "MyModel"

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """Sizes from the shapes; where no layers are chosen, evenly spaced up to the last block."""
        context, normal, flows = (
            tuple(state[name].shape) if name in state else ()
            for name in ("prompt_context", "prompt_state_normal", "PFL_context.amor_b.bias")
        )
        count = numbered(state, "RCA.linear_proj.", ".weight")
        if not (len(context) == len(normal) == 3 and len(flows) == 1 and count):
            raise WeightsError(
                f"prompt_context is {context}, prompt_state_normal {normal}, PFL_context.amor_b.bias {flows},"
                f" {count} layers in RCA.linear_proj: expected 3, 3 and 1 dimensions, and a layer at least"
            )
        found = {"prompts": context[0], "n_ctx": context[1], "n_state": normal[1], "flows": flows[0]}
        layers = spaced_layers(self.method, count, clip.vision.depth, given)
        settings = BayesPflSettings(**{**given, **found, **layers})
        require_shapes(state, {name: tuple(value.shape) for name, value in _empty(settings, clip).items()})
        return found | layers

    def learnt(self, state: State) -> dict[str, Tensor]:
        """Ours under our names, in our shapes, and the seed 0."""
        ours = {_ours(name): value for name, value in state.items() if _ours(name)}
        shaped = {name: _shaped(name, value) for name, value in ours.items()}
        bank = torch.stack([state[name] for name in _STATES])
        return {**shaped, "bank.state": bank, "seed": torch.zeros(())}

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """What was learnt, the copies of the encoders, and zeros for the decoders."""
        if not isinstance(method, BayesPfl):
            raise WeightsError(f"{method.name} has no place in a Bayes-PFL checkpoint")
        return _official(method.state())


def _theirs(name: str) -> str:
    for ours, theirs in _PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return ""


def _ours(name: str) -> str:
    """Our name of a tensor of the public code; "" for what has none."""
    for ours, theirs in _PREFIXES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return ""


def _shaped(name: str, value: Tensor) -> Tensor:
    """Without the dimensions that `_WIDE` has of it."""
    for place in reversed(_WIDE.get(name, ())):
        value = value.squeeze(place)
    return value


def _widened(name: str, value: Tensor) -> Tensor:
    """With them."""
    for place in _WIDE.get(name, ()):
        value = value.unsqueeze(place)
    return value


def _official(state: State) -> dict[str, Tensor]:
    """The complete state dict of the public code."""
    theirs = {_theirs(name): _widened(name, value) for name, value in state.items() if _theirs(name)}
    theirs |= dict(zip(_STATES, state["bank.state"].unbind(0), strict=True))
    sizes = theirs["context_encoder.weight_mean.module.0.weight"].shape
    joint = theirs["class_mapping.bias"].shape[0]
    sides = ((joint, sizes[0]), (sizes[0], sizes[0]), (sizes[0], joint))
    for side in ("context", "state"):
        for place, (inputs, outputs) in zip(_DEPTH, sides, strict=True):
            name = f"{side}_decoder.weight_mean.module.{place}"
            theirs |= {f"{name}.weight": torch.zeros(outputs, inputs), f"{name}.bias": torch.zeros(outputs)}
    for user, side in _USERS.items():
        for part in ("encoder", "decoder"):
            whole = f"{side}_{part}."
            theirs |= {
                f"{user}.{part}.{name.removeprefix(whole)}": value
                for name, value in list(theirs.items())
                if name.startswith(whole)
            }
        theirs |= {
            f"{user}.p_mu.0.weight": torch.zeros(joint, joint),
            f"{user}.p_mu.0.bias": torch.zeros(joint),
        }
    return theirs


def _empty(settings: BayesPflSettings, clip: Clip) -> dict[str, Tensor]:
    """The official state dict of these settings, without values."""
    with torch.device("meta"):
        return _official(Parts(settings, clip).state_dict())
