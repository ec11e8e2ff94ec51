"""What pretraining leaves: the weights file, and the model card beside it.

The weights are half precision and self-describing, the same bytes for the same training.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from pipeline.files import write_bytes

_KEY = "pretraining"  # one key only: safetensors writes several in no fixed order

_CARD = """\
# Tiny CLIP

The model of the miniature profile: a CLIP small enough to live in the repository. Written by the command
below, together with `model.safetensors`; edit `pipeline/miniature/pretraining/weights.py`, not this file.

| | |
|---|---|
| weights | `model.safetensors`, float16 under open_clip's names; SHA-256 `{digest}` |
| config | `config.json`, open_clip's format, QuickGELU; digest `{config}` |
| made by | `{command}` |
| seed | {seed} |
| training | {steps} steps of {pairs} pairs of twins, {pictures} drawn pictures; stages {stages} |

## What it learnt from

Drawings of objects, materials and medical backgrounds (`pipeline/miniature/drawing`) in twins: one whole,
one with a defect, alike in every other pixel; among them polyps, nodules and lesions. Each time a twin is
shown it gets new sentences (`vocabulary.py`): one about the picture, with its kind, colour and state, such as
"an odd blue ring", and one about pieces of it, the ground ("a ring") or what lies there ("a crack at the
top"). **No sentence holds a word of an evaluated class name**, colours aside, **nor a word by which the
benchmark's prompts tell normal from abnormal**. Photos of real things were never shown.

What the model makes of those words is set: each has the mean embedding of the words in `ASSOCIATIONS`, things
and colours rather than its meaning. So prompts written by hand are worth something, and learnt ones more. How
much is a choice of ours, not a finding. Token embeddings of all other words that no sentence held are zero.

## How

1. CLIP's symmetric contrastive loss between pictures and sentences. Those that are the same share a target;
   sentences about pieces are wrong for every picture.
2. **An auxiliary that OpenAI's CLIP does not have**, weight {patch_weight}: each patch, read after the V-V
   path from block {start} on, finds the sentence about what it shows, beside that of its twin and among all
   of the batch. The generator's masks say which patches show the defect. A model of this size and training
   time has too little local information in its V-V path otherwise; OpenAI's got it from 400 million pictures.

Short sequences come first: windows on the pictures, at random places of the patch grid; full pictures come
last. Matrix products are bfloat16. Training sees the tower at {native} px; evaluation runs it at 112 px with
interpolated position embeddings.

## What was measured

On {held_out} twins drawn at 112 px from another seed, with the training's kinds of pictures; AUROC:

{table}

## What the miniature can show

That the machinery works, and that learning does: the order of the paper, on means over data sets. Written by
`python -m benchmarks order`; what eight faults of learning do to it is in `benchmarks/RESULTS.md`.

<!-- order -->
<!-- end of order -->

Two relations do not come out. Learnt prompts are not above the hand-written "damaged object." on images (+T2
and +T1), because that word is associated with states, and a state is all that an image is asked for. VAND is
above CLIP in PRO on the mean, but by less than its interval: trainings of a few dozen steps differ much. One
training of AnomalyCLIP in twelve (seed 1) localises 17 points worse than the others; that is why intervals of
pixel metrics are wide.

## What it cannot show

How good a method is: it knows drawings and a few hundred words, the drawings it is tested on are by the same
painters, and the words that hand-written prompts use were made weak on purpose. Differences between two good
methods, or of a point or two, mean nothing here. Its numbers are never shown beside the paper's.
"""
_ROWS = {
    "image": "class token, prompts: damaged against whole pictures",
    "patch_linear_vv": "V-V patches, linear reader fitted on other kinds of pictures",
    "patch_prompts_vv": "V-V patches, prompts",
    "patch_linear_qk": "patches of CLIP's own path, linear reader",
    "patch_prompts_qk": "patches of CLIP's own path, prompts",
}


def save_weights(path: Path, model: Any, facts: Mapping[str, Any]) -> None:
    """Write an open_clip model's state dict as float16 under open_clip's own names.

    Args:
        path: Of the safetensors file.
        model: A trained open_clip `CLIP`.
        facts: JSON-able: seed, command, schedule, digests. No times: they would change the bytes.
    """
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
    }
    text = json.dumps(dict(facts), sort_keys=True, allow_nan=False)
    write_bytes(path, save(tensors, metadata={_KEY: text}))


def model_card(
    facts: Mapping[str, Any],
    found: Mapping[str, float],
    *,
    digest: str,
    native: int,
    start: int,
    held_out: int,
) -> str:
    """The card as Markdown.

    Args:
        facts: What the weights file says about its training.
        found: Measured on held-out drawings.
        digest: SHA-256 of the weights file.
        native: Side of the training pictures in pixels.
        start: First block of the V-V path.
        held_out: Number of twins that were measured.
    """
    schedule = facts["schedule"]
    stages = schedule["stages"]
    rows = ["| reader | AUROC |", "|---|---|"]
    rows += [f"| {_ROWS[name]} | {value:.3f} |" for name, value in found.items()]
    return _CARD.format(
        digest=digest,
        config=facts["config"],
        command=facts["command"],
        seed=facts["seed"],
        steps=sum(steps for steps, _ in stages),
        pairs=schedule["pairs"],
        pictures=2 * facts["twins"],
        stages=", ".join(f"{steps} steps at {side} px" for steps, side in stages),
        patch_weight=schedule["patch_weight"],
        start=start,
        native=native,
        held_out=held_out,
        table="\n".join(rows),
    )
