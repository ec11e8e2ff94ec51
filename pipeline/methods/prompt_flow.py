"""Prompts whose vectors are drawn: a bank, and learnt densities of what is added to it (Bayes-PFL).

A density is a Gaussian, pushed through planar flows (Rezende and Mohamed, ICML 2015): z₀ = μ + σ·noise, then
z ← z + u tanh(w·z + b) once a flow. Where the flows follow from an image the density is the image's; where
they are free parameters it is one for all images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.methods.layers import draw_normal

_STD = 0.02  # of initial vectors and weights
_STATES = (0.5, -0.5)  # means of the initial vectors of the normal and the abnormal state
_FLOOR = 1e-5  # inside the logarithm of a flow's determinant, as in Bayes-PFL's public code


@dataclass(frozen=True)
class Density:
    """Gaussians of W channels and K flows for each; leading dimensions are those of the draws.

    Attributes:
        mean: (..., W).
        log_variance: (..., W), natural.
        u: (..., K, W).
        w: (..., K, W).
        b: (..., K).
    """

    mean: Tensor
    log_variance: Tensor
    u: Tensor
    w: Tensor
    b: Tensor

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One draw for each row of standard normal `noise` (..., W).

        Returns:
            The draws z (..., W); log q(z₀) − log p(z) against a standard normal p, without the constant that
            both have, (...); and the sum of the flows' log |det|, (...).
        """
        start = self.mean + (0.5 * self.log_variance).exp() * noise
        z, log_det = start, torch.zeros_like(start[..., 0])
        for u, w, b in zip(self.u.unbind(-2), self.w.unbind(-2), self.b.unbind(-1), strict=True):
            bend = torch.tanh((w * z).sum(-1) + b)
            slope = (1 - bend**2) * (w * u).sum(-1)
            log_det = log_det + torch.log((1 + slope).abs() + _FLOOR)
            z = z + u * bend[..., None]
        excess = 0.5 * (z**2 - noise**2 - self.log_variance).sum(-1)
        return z, excess, log_det


def _mlp(sides: tuple[int, int, int]) -> nn.Sequential:
    inputs, hidden, outputs = sides
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Softplus(),
        nn.Linear(hidden, hidden),
        nn.Softplus(),
        nn.Linear(hidden, outputs),
    )


class GaussianEncoder(nn.Module):
    """Mean and variance of a Gaussian from a feature, by two MLPs of three layers.

    The variance is exp(½h), h what its MLP says, and so its logarithm is ½h.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.mean, self.variance = (_mlp((inputs, hidden, outputs)) for _ in range(2))

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (..., outputs), of (..., inputs)."""
        return self.mean(feature), 0.5 * self.variance(feature)


class ImageFlows(nn.Module):
    """Flows that follow from an image feature, each parameter linearly."""

    def __init__(self, inputs: int, width: int, flows: int) -> None:
        super().__init__()
        self._sides = (flows, width)
        self.u, self.w = (nn.Linear(inputs, flows * width) for _ in range(2))
        self.b = nn.Linear(inputs, flows)

    def density(self, encoder: GaussianEncoder, feature: Tensor) -> Density:
        """The density of each image, of features (..., inputs)."""
        u, w = (layer(feature).unflatten(-1, self._sides) for layer in (self.u, self.w))
        mean, log_variance = encoder(feature)
        return Density(mean, log_variance, u, w, self.b(feature))


class FreeFlows(nn.Module):
    """Flows of no image, around a learnt constant in the place of a feature."""

    def __init__(self, inputs: int, width: int, flows: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.empty(1, inputs))
        self.u, self.w = (nn.Parameter(torch.empty(1, flows, width)) for _ in range(2))
        self.b = nn.Parameter(torch.empty(1, flows))

    def density(self, encoder: GaussianEncoder) -> Density:
        """The one density, with a leading dimension of 1."""
        mean, log_variance = encoder(self.constant)
        return Density(mean, log_variance, self.u, self.w, self.b)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw every number from N(0, 1)."""
        for parameter in self.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


class PromptFlow(nn.Module):
    """A bank of prompts and the densities around it; W is the text tower's width, D the joint space's.

    Attributes:
        bank: `context` (prompts, n_ctx, W); `state` (2, prompts, n_state, W), normal first.
        flows: Of the `context`, which follow from the image, and of the states `normal` and `abnormal`.
        encoders: Of the context's Gaussian, and the one of both states.
    """

    def __init__(self, *, sides: tuple[int, int, int], bank: tuple[int, int, int], flows: int) -> None:
        """Make it with undrawn parameters.

        Args:
            sides: D, hidden channels of the encoders, W.
            bank: Pairs of prompts, context vectors and state vectors of each.
            flows: Of each density.
        """
        super().__init__()
        joint, _, width = sides
        count, n_ctx, n_state = bank
        shapes = {"context": (count, n_ctx, width), "state": (2, count, n_state, width)}
        self.bank = nn.ParameterDict({name: torch.empty(shape) for name, shape in shapes.items()})
        free = {name: FreeFlows(joint, width, flows) for name in ("normal", "abnormal")}
        self.flows = nn.ModuleDict({"context": ImageFlows(joint, width, flows), **free})
        self.encoders = nn.ModuleDict({name: GaussianEncoder(*sides) for name in ("context", "state")})

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Vectors and weights from N(0, 0.02²), the states around ½ and −½; free flows from N(0, 1)."""
        draw_normal(self, generator, _STD)
        means = {"context": torch.zeros(()), "state": torch.tensor(_STATES)[:, None, None, None]}
        for name, vectors in self.bank.items():
            vectors.copy_(means[name] + _STD * torch.randn(vectors.shape, generator=generator))
        for flows in self.flows.values():
            if isinstance(flows, FreeFlows):
                flows.reset(generator)

    def draw_context(self, feature: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draws for images (B, D), by noise that broadcasts to (B, W); as `Density.draw`."""
        density: Density = self.flows["context"].density(self.encoders["context"], feature)  # type: ignore[operator]
        return density.draw(noise)

    def draw_states(self, noise: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Draws of the normal and the abnormal state, by noise (2, draws, W); as `Density.draw`."""
        free = (self.flows[name] for name in ("normal", "abnormal"))
        densities = [flows.density(self.encoders["state"]) for flows in free]  # type: ignore[operator]
        return [density.draw(each) for density, each in zip(densities, noise, strict=True)]

    def vectors(self, context: Tensor, states: Tensor) -> Tensor:
        """The bank with draws added: (R, 2, prompts, n_ctx + n_state, W), normal first.

        Args:
            context: (R, W), added to every context vector.
            states: (2, R or 1, W), added to every vector of their state.
        """
        front = (self.bank["context"] + context[:, None, None, None]).expand(-1, 2, -1, -1, -1)
        behind = self.bank["state"] + states.transpose(0, 1)[:, :, None, None]
        return torch.cat([front, behind.expand(len(front), -1, -1, -1, -1)], dim=3)
