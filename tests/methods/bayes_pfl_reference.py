"""Bayes-PFL written out vector by vector in float64 from its description; shares no code with the package."""

import math

import torch
from torch import Tensor

from tests.clip.reference import unit
from tests.clip.towers import Tower

from .reference import Seen, prompt_ids, text_side, upsampled
from .test_methods_reference import tokens

LAYERS = (2, 4, 5, 6)
PROMPTS, N_CTX, N_STATE, FLOWS = 2, 3, 2, 4
SPOKEN = {"metal_nut": "metal nut", "pcb1": "printed circuit board", "Class_X": "class_x"}

State = dict[str, Tensor]


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return state[f"{name}.weight"].double() @ x + state[f"{name}.bias"].double()


def encoded(state: State, which: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, the latter exp(h / 2)."""
    outputs = []
    for part in ("mean", "variance"):
        y = x
        for layer in (0, 2, 4):
            y = linear(y, state, f"encoders.{which}.{part}.{layer}")
            y = torch.log(1 + torch.exp(y)) if layer < 4 else y
        outputs.append(y)
    return outputs[0], torch.exp(outputs[1] / 2)


def flowed(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """All planar flows of one vector, one after another, and the sum of log |det|."""
    log_det = torch.zeros((), dtype=torch.float64)
    for one_u, one_w, one_b in zip(u, w, b, strict=True):
        h = torch.tanh(one_w @ z + one_b)
        log_det = log_det + torch.log(torch.abs(1 + one_u @ one_w * (1 - h * h)) + 1e-5)
        z = z + one_u * h
    return z, log_det


def drawn(state: State, which: str, noise: Tensor, feature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One draw, log q(z₀) − log p(z), log |det|; `which` is context, normal or abnormal."""
    noise = noise.double()
    if which == "context":
        mean, variance = encoded(state, "context", feature)
        u, w = (linear(feature, state, f"flows.context.{it}").reshape(FLOWS, -1) for it in "uw")
        b = linear(feature, state, "flows.context.b")
    else:
        mean, variance = encoded(state, "state", state[f"flows.{which}.constant"][0].double())
        u, w, b = (state[f"flows.{which}.{it}"][0].double() for it in "uwb")
    start = mean + torch.sqrt(variance) * noise
    end, log_det = flowed(start, u, w, b)
    log_q = -0.5 * (torch.log(variance) + (start - mean) ** 2 / variance).sum()
    return end, log_q + 0.5 * (end**2).sum(), log_det


def texts(tower: Tower, state: State, name: str, context: Tensor, states: list[Tensor]) -> Tensor:
    """Of one draw, (2, prompts, D): start, context + draw, state + draw, class name, end."""
    words = tokens(SPOKEN.get(name, name))
    rows = []
    for side in range(2):
        for prompt in range(PROMPTS):
            front = state["bank.context"][prompt].double() + context
            behind = state["bank.state"][side, prompt].double() + states[side]
            ids = [prompt_ids(words, N_CTX + N_STATE)]
            rows.append(text_side(tower, ids, torch.cat([front, behind])[None])[0])
    return unit(torch.stack(rows)).reshape(2, PROMPTS, -1)


def patches_of(seen: Seen) -> list[Tensor]:
    return [seen.steps.o[layer][1:] for layer in LAYERS]


def refined(state: State, text: Tensor, patches: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """One text (D,) attending to projected patches with four heads; scaled by all channels."""
    keys = unit(patches @ state[f"attention.project.{number}.weight"].double().T)
    query, parts = linear(text, state, "attention.query"), []
    for head in range(4):
        own = slice(len(text) // 4 * head, len(text) // 4 * (head + 1))
        weights = torch.softmax(keys[:, own] @ query[own] / math.sqrt(len(text)), dim=0)
        parts.append(weights @ keys[:, own])
    return unit(torch.cat(parts) + text), keys


def image_logit(
    state: State, text: Tensor, feature: Tensor, patches: list[Tensor], *, pooled: bool
) -> Tensor:
    if pooled:
        mixed = torch.stack([linear(it, state, "image.pooling.mix") for it in torch.cat(patches, dim=1)])
        weights = torch.softmax(
            torch.stack([linear(it, state, "image.pooling.weight") for it in mixed]), dim=0
        )
        fused = linear((weights * mixed).sum(0), state, "image.pooling.out")
        feature = linear(feature + fused, state, "image.image_map")
    return torch.exp(state["temperature.image"].double()) * (
        unit(linear(text, state, "image.text_map")) @ unit(feature)
    )


def pixel_logits(tower: Tower, state: State, seen: Seen, text: Tensor) -> list[Tensor]:
    """Of one text, of each block: (S, S), corners aligned."""
    logits = []
    for number, patches in enumerate(patches_of(seen)):
        vector, keys = refined(state, text, patches, number)
        grid = torch.exp(state["temperature.pixel"].double()) * (keys @ vector)
        logits.append(upsampled(grid.reshape(seen.grid, seen.grid), tower.size, corners=True))
    return logits
