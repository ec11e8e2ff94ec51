"""Bayes-PFL: prompts are drawn from learnt densities, one of the image and one of each state (CVPR 2025).

Planar flows push a Gaussian that follows from the image into what is added to the context vectors, and two
that follow from nothing into what is added to the vectors of both states. Text attends to the patches of four
blocks. An image has its own texts, so the text tower runs for each. The published image score is scaled over
the whole test set, and the published training ends by a look at the target: neither is done here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import cos, log, pi
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.clip.architecture import upload
from pipeline.clip.text import Template
from pipeline.methods.augment import AugmentedTraining
from pipeline.methods.base import (
    Batch,
    BatchSize,
    Blocks,
    Epochs,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Rate,
    Scores,
    Share,
    Training,
    Weight,
)
from pipeline.methods.layers import PatchAttention, PatchPooling, draw_uniform, undrawn
from pipeline.methods.losses import balanced_focal, batch_dice, orthogonality, total
from pipeline.methods.prompt_flow import PromptFlow
from pipeline.methods.readout import MAX_SIGMA, to_grid, upsample, upsample_smooth

_HEAD = Global(ln_post=True)
_TEMPERATURE = 0.07  # both, at first
_HEADS = 4
_SEEDS = 1 << 24  # which float32, and so a checkpoint, holds exactly
_SPOKEN = {
    "macaroni1": "macaroni",
    "macaroni2": "macaroni",
    "pcb1": "printed circuit board",
    "pcb2": "printed circuit board",
    "pcb3": "printed circuit board",
    "pcb4": "printed circuit board",
    "pipe_fryum": "pipe fryum",
    "chewinggum": "chewing gum",
    "metal_nut": "metal nut",
}
"""What the public code calls some classes; the others by their names, in lower case."""


class BayesPflTraining(AugmentedTraining):
    """First everything, then the image's side alone.

    Attributes:
        epochs: Of the first stage.
        image_epochs: Of the second.
        lr: Of linear layers, in both stages.
        prompt_lr: Of the bank.
        flow_lr: Of the flows and the constants of the states.
        temperature_lr: Of both temperatures.
        warmup: Share of all steps, those of the second stage counted, in which the rates rise from 0. Then
            they follow a cosine, of which the first stage sees its part; the second has a constant rate.
    """

    epochs: Epochs = 25
    image_epochs: Epochs = 5
    batch: BatchSize = 32
    lr: Rate = 1e-4
    prompt_lr: Rate = 1e-3
    flow_lr: Rate = 1e-3
    temperature_lr: Rate = 1e-2
    warmup: Share = 0.1

    @property
    def rates(self) -> Mapping[str, float]:
        """Of the first stage."""
        linear = dict.fromkeys(("encoders", "attention", "image"), self.lr)
        return {"bank": self.prompt_lr, "flows": self.flow_lr, "temperature": self.temperature_lr, **linear}

    def rate(self, lr: float, step: int, steps: int) -> float:
        """Up a line, down a cosine."""
        whole = steps * (self.epochs + self.image_epochs) // self.epochs
        rise = int(self.warmup * whole)
        if step < rise:
            return lr * step / rise
        return lr * 0.5 * (1 + cos(pi * (step - rise) / max(1, whole - rise)))

    def second(self) -> "_ImageTraining":
        """The second stage."""
        shared = {name: getattr(self, name) for name in ("batch", "lr", "mosaic", "augment")}
        return _ImageTraining(epochs=self.image_epochs, **shared)


class _ImageTraining(AugmentedTraining):
    """The second stage: what compares the image with the texts, at a constant rate."""

    @property
    def rates(self) -> Mapping[str, float]:
        """Of the image's side."""
        return {"image": self.lr}


class BayesPflSettings(LearntSettings):
    """Settings of Bayes-PFL.

    Attributes:
        layers: Blocks whose patches are read.
        prompts: Pairs of prompts in the bank.
        n_ctx: Context vectors of a prompt; its density depends on the image.
        n_state: Vectors of its state behind them.
        flows: Planar flows of each density.
        samples: Draws of an image's texts, each with its own draw of the states.
        sigma: Of the Gaussian on the map, in pixels.
        map_share: Share of the map in the image score.
        top_pixels: Highest pixels of the map, before smoothing, whose mean enters the image score.
        divergence_weight: Weight of the densities' part of the loss.
        orthogonality_weight: Weight of the cosines between the prompts of a state.
        mosaic_by_auxiliary: `training.mosaic` on single auxiliary sets.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"samples", "sigma", "map_share", "top_pixels"})

    tower: str = "vand"
    layers: Blocks = (6, 12, 18, 24)
    prompts: int = Field(default=3, ge=1, le=64)
    n_ctx: int = Field(default=5, ge=1, le=77)
    n_state: int = Field(default=5, ge=1, le=77)
    flows: int = Field(default=10, ge=1, le=256)
    samples: int = Field(default=10, ge=1, le=1000)
    sigma: float = Field(default=8.0, ge=0, le=MAX_SIGMA)
    map_share: Share = 0.5
    top_pixels: int = Field(default=2000, ge=1)
    divergence_weight: Weight = 0.01
    orthogonality_weight: Weight = 1.0
    training: BayesPflTraining = BayesPflTraining()
    mosaic_by_auxiliary: dict[str, Share] = Field(default_factory=lambda: {"mvtec": 0.4})

    @property
    def tuned_otherwise_on(self) -> Iterable[str]:
        """Those under `mosaic_by_auxiliary`."""
        return self.mosaic_by_auxiliary

    def training_on(self, auxiliary: str) -> tuple[Training, ...]:
        """Both stages, with mosaics on MVTec AD alone, as the public code has it."""
        mosaic = self.mosaic_by_auxiliary.get(auxiliary, self.training.mosaic)
        first = self.training.model_copy(update={"mosaic": mosaic})
        return first, first.second()


class Parts(PromptFlow):
    """All that is learnt, in the groups that have a rate of their own.

    Attributes:
        attention: Of texts to patches.
        image: `text_map` and `image_map` of what is compared, `pooling` of patches.
        temperature: `pixel` and `image`, as logarithms of what similarities are multiplied by.
        seed: Of the draws in evaluation, which are the same for every image; on the CPU, where it is read.
    """

    seed: Tensor

    def __init__(self, settings: BayesPflSettings, clip: Clip) -> None:
        joint, wide, blocks = clip.embed_dim, clip.vision.width, len(settings.layers)
        hidden, bank = wide // 2, (settings.prompts, settings.n_ctx, settings.n_state)
        super().__init__(sides=(joint, hidden, clip.text.width), bank=bank, flows=settings.flows)
        self.attention = PatchAttention(wide, joint, blocks=blocks, heads=_HEADS)
        maps = {name: nn.Linear(joint, joint) for name in ("text_map", "image_map")}
        pooling = PatchPooling(wide * blocks, hidden, joint)
        self.image = nn.ModuleDict({**maps, "pooling": pooling})
        self.temperature = nn.ParameterDict({name: torch.empty(()) for name in ("pixel", "image")})
        self.register_buffer("seed", torch.empty(()))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw all of it; the query of the attention as torch does by default."""
        super().reset(generator)
        draw_uniform(self.attention.query, generator)
        for temperature in self.temperature.values():
            temperature.fill_(-log(_TEMPERATURE))
        self.seed = torch.randint(_SEEDS, (), generator=generator).float()


class BayesPfl(LearntMethod):
    """Prompts from learnt densities, compared with an image and its patches."""

    name: ClassVar[str] = "bayes_pfl"
    title: ClassVar[str] = "Bayes-PFL"
    class_aware = True
    Settings: ClassVar[type[MethodSettings]] = BayesPflSettings
    settings: BayesPflSettings

    def __init__(self, settings: BayesPflSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self._check()
        self._patches = [Local("qk", layer, projected=False) for layer in settings.layers]
        self._parts = undrawn(lambda: Parts(settings, clip), clip.device)
        self._draws = torch.Generator()
        self.reset(torch.Generator().manual_seed(0))

    def _check(self) -> None:
        settings, clip, pixels = self.settings, self.clip, self.clip.spec.image_size**2
        self.require_layers(settings.layers)
        room = clip.text.context_length - settings.n_ctx - clip.text.length("object")
        self.require(
            settings.n_state <= room,
            "n_state",
            f"{settings.n_state} vectors, but behind {settings.n_ctx} of context there is room for {room}",
        )
        self.require(
            settings.top_pixels <= pixels,
            "top_pixels",
            f"{settings.top_pixels}, but a map of this tower has {pixels} pixels",
        )
        self.require(
            clip.embed_dim % _HEADS == 0,
            "tower",
            f"its joint space has {clip.embed_dim} channels, which {_HEADS} heads of attention do not divide",
        )

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and raw patches: those of VAND, on its tower."""
        return frozenset([_HEAD, *self._patches])

    @property
    def flop(self) -> float:
        """The texts of an image whose class has one word, attention, pooling and maps."""
        texts = 2 * self.settings.prompts * self.settings.samples
        return self._operations(texts, texts)

    @property
    def loss_flop(self) -> float:
        """Likewise of one draw, of which one pair is compared with the image."""
        return self._operations(2 * self.settings.prompts, 2)

    def _operations(self, texts: int, compared: int) -> float:
        settings, vision, joint = self.settings, self.clip.vision, self.clip.embed_dim
        patches, grid, side = vision.grid**2, vision.grid, self.clip.spec.image_size
        tokens = settings.n_ctx + settings.n_state + self.clip.text.length("object")
        attention = 2 * patches * vision.width * joint + compared * (2 * joint**2 + 6 * patches * joint)
        maps = compared * side * grid * (grid + side)
        pooling = patches * vision.width**2
        blocks = len(self._patches) * (attention + maps + pooling)
        return texts * self.clip.text.flop(tokens) + blocks + 4 * side**3

    def reset(self, generator: torch.Generator) -> None:
        """Draw what is learnt, the seed of evaluation, and the generator of the loss."""
        self._parts.reset(generator)
        self._draws.manual_seed(int(torch.randint(_SEEDS, (), generator=generator)))
        self._stage = 0

    def trainable(self) -> Parts:
        """Bank, flows, encoders, attention, the image's side and temperatures."""
        return self._parts

    def prepare(self, batches: Iterable[Batch], stage: int) -> None:  # noqa: ARG002 - nothing is kept of them
        """Note the stage."""
        self._stage = stage

    def _template(self, class_names: Sequence[str]) -> Template:
        words = [_SPOKEN.get(name, name).lower() for name in class_names]
        return self.clip.text.template(words, self.settings.n_ctx + self.settings.n_state)

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """What the texts of each image are made from, in one row.

        (3 samples + L) W numbers: noise for the context and draws of the normal and the abnormal state, each
        (samples, W); then the L embedded tokens of a prompt of the class.
        """
        draws = torch.Generator().manual_seed(int(self._parts.seed))
        shape = (3, self.settings.samples, self.clip.text.width)
        noise = upload(torch.randn(shape, generator=draws), self.clip.device)
        states = [draw for draw, _, _ in self._parts.draw_states(noise[1:])]
        prompt = self._template([class_name]).embeddings[0]
        return torch.cat([noise[0], *states, prompt]).flatten()

    def _texts(self, context: Tensor, states: Tensor, template: Template) -> Tensor:
        """Features of the texts that R draws of the context (R, W) give: (R, 2, prompts, D), L2-normalised.

        `template` has R prompts, `states` are (2, R or 1, W).
        """
        vectors = self._parts.vectors(context, states)
        shape, each = vectors.shape[:3], vectors.shape[1] * vectors.shape[2]
        embeddings, ends = (it.repeat_interleave(each, 0) for it in (template.embeddings, template.ends))
        repeated = Template(embeddings, ends, template.n_ctx)
        pooled = self.clip.text.encode_template(repeated, vectors.flatten(0, 2), ())
        return normalize(pooled, dim=-1).view(*shape, -1)

    def _image_logits(self, texts: Tensor, features: Features, *, pooled: bool) -> Tensor:
        """Of texts (B, n, D): (B, n)."""
        side, feature = self._parts.image, features[_HEAD]
        if pooled:
            blocks = torch.cat([features[tap] for tap in self._patches], dim=-1)
            feature = side["image_map"](feature + side["pooling"](blocks))
        cosines = normalize(side["text_map"](texts), dim=-1) @ normalize(feature, dim=-1)[..., None]
        logits: Tensor = self._parts.temperature["image"].exp() * cosines[..., 0]
        return logits

    def _patch_logits(self, texts: Tensor, features: Features) -> Iterator[Tensor]:
        """Of texts (B, n, D) and each block's patches: (B, n, S, S)."""
        for block, tap in enumerate(self._patches):
            seen, patches = self._parts.attention(texts, features[tap], block)
            logits = self._parts.temperature["pixel"].exp() * patches @ seen.mT
            yield upsample(to_grid(logits), self.clip.spec.image_size, align_corners=True)

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Means over samples and prompts; the image's probability is mixed with the map's highest pixels."""
        taken = {tap: features[tap] for tap in self.taps}
        alone = [
            self._scored({tap: values[row : row + 1] for tap, values in taken.items()}, text)
            for row in range(len(taken[_HEAD]))
        ]
        rough = torch.stack([maps for _, maps in alone])
        high = rough.flatten(1).topk(self.settings.top_pixels).values.mean(1)
        share = self.settings.map_share
        image = (1 - share) * torch.stack([it for it, _ in alone]) + share * high
        return Scores(image, upsample_smooth(rough, self.clip.spec.image_size, self.settings.sigma))

    def _scored(self, features: Features, text: Tensor) -> tuple[Tensor, Tensor]:
        """Class probability and map, before smoothing, of one image: its texts fill the device."""
        settings, samples = self.settings, self.settings.samples
        rows = text.view(-1, self.clip.text.width)
        noise, states = rows[:samples], rows[samples : 3 * samples].view(2, samples, -1)
        prompt = rows[3 * samples :].expand(samples, -1, -1)
        ends = torch.full((samples,), prompt.shape[1] - 1, device=text.device)
        context, _, _ = self._parts.draw_context(features[_HEAD], noise)
        template = Template(prompt, ends, settings.n_ctx + settings.n_state)
        texts = self._texts(context, states, template)
        flat, sides = texts.flatten(0, 2)[None], (samples, 2, settings.prompts)
        logits = self._image_logits(flat, features, pooled=settings.training.image_epochs > 0)
        p = logits.view(sides).softmax(1)[:, 1].mean()
        maps: list[Tensor] = []
        for each in self._patch_logits(flat, features):
            normal, abnormal = each.view(*sides, *each.shape[-2:]).unbind(1)
            maps.append((abnormal - normal).sigmoid().mean((0, 1)))
        return p, total(maps) / len(maps)

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:
        """Cross-entropy of the image; in the first stage also focal, dice, divergence and orthogonality."""
        count, width = len(labels), self.clip.text.width
        pair = int(torch.randint(self.settings.prompts, (), generator=self._draws))
        noise = upload(torch.randn(count + 2, width, generator=self._draws), self.clip.device)
        context = self._parts.draw_context(features[_HEAD], noise[:count])
        states = self._parts.draw_states(noise[count:, None])
        drawn = torch.stack([draw for draw, _, _ in states])
        texts = self._texts(context[0], drawn, self._template(class_names))
        logits = self._image_logits(texts[:, :, pair], features, pooled=self._stage > 0)
        parts = {"global": cross_entropy(logits, labels)}
        if self._stage > 0:
            return Losses(parts["global"], parts)
        maps = [each.softmax(1) for each in self._patch_logits(texts[:, :, pair], features)]
        parts |= {
            "focal": total(balanced_focal(each, masks) for each in maps),
            "dice_abnormal": total(batch_dice(each[:, 1], masks) for each in maps),
            # As coded, a state's determinant is shared out over the batch, and the rest is not.
            "divergence": (context[1] - context[2]).mean()
            + total((excess - log_det / count).sum() for _, excess, log_det in states),
            "orthogonality": total(orthogonality(texts[:, side]) for side in range(2)),
        }
        weighed = self.settings.divergence_weight * parts["divergence"]
        weighed = weighed + self.settings.orthogonality_weight * parts["orthogonality"]
        return Losses(parts["global"] + parts["focal"] + parts["dice_abnormal"] + weighed, parts)
