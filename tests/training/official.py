"""Official checkpoints as documented, written key by key; shares no code with the package."""

from pathlib import Path

import torch
from torch import Tensor

from tests.clip.towers import Shape, Tower

SOT, X, PERIOD, EOT = 49406, 343, 269, 49407
OBJECT, DAMAGED = 14115, 13568
DEEP = Shape(blocks=24, width=16, text_blocks=12)  # as many blocks as the released files are for


def prompt_learner(tower: Tower, *, n_ctx: int = 12, deep: int = 8, seed: int = 5) -> dict[str, Tensor]:
    """The state dict of a trained AnomalyCLIP prompt learner."""
    generator = torch.Generator().manual_seed(seed)
    embedding = tower.state["token_embedding.weight"]
    width = embedding.shape[1]

    def drawn(*shape: int) -> Tensor:
        return 0.3 * torch.randn(shape, generator=generator)

    state = {"ctx_pos": drawn(1, 1, n_ctx, width), "ctx_neg": drawn(1, 1, n_ctx, width)}
    for side, words in (("pos", [OBJECT, PERIOD]), ("neg", [DAMAGED, OBJECT, PERIOD])):
        ids = [SOT, *[X] * n_ctx, *words, EOT]
        ids += [0] * (77 - len(ids))
        state[f"token_prefix_{side}"] = embedding[SOT].view(1, 1, 1, width).clone()
        state[f"token_suffix_{side}"] = embedding[ids[1 + n_ctx :]][None, None].clone()
        state[f"tokenized_prompts_{side}"] = torch.tensor(ids, dtype=torch.int32)[None, None]
    weight, bias = drawn(896, width), drawn(896)
    for number in range(deep):
        state[f"compound_prompts_text.{number}"] = drawn(4, width)
        state[f"compound_prompt_projections.{number}.weight"] = weight.clone()
        state[f"compound_prompt_projections.{number}.bias"] = bias.clone()
    return state


def linear_layers(tower: Tower, count: int = 4) -> dict[str, Tensor]:
    """The state dict of VAND's trained linear layers."""
    generator = torch.Generator().manual_seed(7)
    sides = (tower.shape.embed, tower.shape.width)
    state: dict[str, Tensor] = {}
    for number in range(count):
        state[f"fc.{number}.weight"] = torch.randn(sides, generator=generator)
        state[f"fc.{number}.bias"] = torch.randn(sides[0], generator=generator)
    return state


def write(path: Path, key: str, state: dict[str, Tensor]) -> Path:
    torch.save({key: state}, path)
    return path
