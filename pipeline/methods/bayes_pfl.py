"""Bayes-PFL: prompts are drawn from learnt densities, one of the image and one of each state (CVPR 2025).

Planar flows push a Gaussian that follows from the image into what is added to the context vectors, and two
that follow from nothing into what is added to the vectors of both states. Text attends to the patches of four
blocks. An image has its own texts, so the text tower runs for each. The published image score is scaled over
the whole test set, and the published training ends by a look at the target: neither is done here.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.clip.architecture import upload
from pipeline.clip.text import Template
from pipeline.methods.base import Batch, LearntMethod, Losses, MethodSettings, Scores
from pipeline.methods.bayes_pfl_parts import HEADS, SEEDS, BayesPflSettings, Parts
from pipeline.methods.layers import undrawn
from pipeline.methods.losses import balanced_focal, batch_dice, orthogonality, total
from pipeline.methods.readout import to_grid, upsample, upsample_smooth

_HEAD = Global(ln_post=True)
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
            clip.embed_dim % HEADS == 0,
            "tower",
            f"its joint space has {clip.embed_dim} channels, which {HEADS} heads of attention do not divide",
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
        self._draws.manual_seed(int(torch.randint(SEEDS, (), generator=generator)))
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
