"""Surface textures, each a small function from a size and a generator to a field in [0, 1].

`scale` stretches the pattern; what varies between two calls is phase and grain, so two pictures with the same
kind, palette and scale look like two spots of one material. Objects use these as surface and as backdrop.
"""

import math
from collections.abc import Callable

import numpy as np

from pipeline.miniature.drawing.colour import Palette, finished, paint, random_palette
from pipeline.miniature.drawing.plane import (
    Field,
    Image,
    Size,
    fractal_noise,
    plane,
    smooth_noise,
    streaked_noise,
    stretched,
    turned,
)

Texture = Callable[[Size, np.random.Generator, float], Field]


def _periods(size: Size, rng: np.random.Generator, count: float, *, turn: float = 0.0) -> tuple[Field, Field]:
    """Coordinates in pattern periods (`count` along the short side), slightly turned, random phase."""
    x, y = turned(*plane(size), turn + rng.uniform(-0.04, 0.04))
    return x * count / 2 + rng.random(), y * count / 2 + rng.random()


def _wave(periods: Field) -> Field:
    """A cosine in [0, 1], 1 at whole periods."""
    return 0.5 + 0.5 * np.cos(2 * math.pi * periods)


def _grain(size: Size, rng: np.random.Generator) -> Field:
    return rng.random(size)


def smooth(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Nearly even, with slow shading."""
    return 0.4 + 0.2 * smooth_noise(size, 3 / scale, rng) + 0.03 * _grain(size, rng)


def noise(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Fine grain without structure."""
    return 0.5 * smooth_noise(size, 26 / scale, rng) + 0.3 * _grain(size, rng) + 0.1


def wood(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Wavy rings along the height, with pores."""
    across, _ = _periods(size, rng, 5 / scale)
    rings = _wave(across + 0.9 * streaked_noise(size, (2, 4), rng))
    pores = streaked_noise(size, (5, 40 / scale), rng)
    return 0.15 + 0.45 * rings + 0.3 * pores + 0.06 * _grain(size, rng)


def weave(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Threads that go over and under each other."""
    across, down = _periods(size, rng, 11 / scale)
    over = (np.floor(across) + np.floor(down)) % 2 == 0
    along, side = np.where(over, across, down), np.where(over, down, across)
    thread = np.sin(math.pi * (side % 1)) * (0.45 + 0.55 * np.sin(math.pi * (along % 1)))
    return 0.12 + 0.7 * thread * np.where(over, 1.0, 0.8) + 0.12 * _grain(size, rng)


def twill(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Slanted ribs of a cloth."""
    across, down = _periods(size, rng, 9 / scale)
    ribs = _wave(across + down) * (0.6 + 0.4 * _wave(3 * (across - down)))
    return 0.15 + 0.6 * ribs + 0.18 * _grain(size, rng)


def speckle(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Chips of several tones, as in a stone tile."""
    chips = fractal_noise(size, 13 / scale, rng, octaves=2)
    return 0.1 + 0.8 * np.floor(np.clip((chips - 0.2) / 0.6, 0, 0.999) * 4) / 3 + 0.06 * _grain(size, rng)


def grid(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Bright wires crossing over a dark ground."""
    across, down = _periods(size, rng, 7 / scale, turn=math.pi / 4)
    wires = np.maximum(_wave(across), _wave(down)) ** 6
    return 0.05 + 0.85 * wires + 0.07 * _grain(size, rng)


def leather(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Closed wrinkles between soft bumps."""
    folds = np.abs(2 * smooth_noise(size, 16 / scale, rng) - 1) * np.abs(
        2 * smooth_noise(size, 24 / scale, rng) - 1
    )
    return 0.25 + 0.55 * np.sqrt(stretched(folds)) + 0.08 * _grain(size, rng)


def blotchy(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Soft patches with clear borders."""
    patches = fractal_noise(size, 6 / scale, rng, octaves=2)
    return 0.15 + 0.7 / (1 + np.exp(-14 * (patches - 0.5))) + 0.08 * _grain(size, rng)


def fibrous(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Long fibres in one direction."""
    fibres = streaked_noise(size, (30 / scale, 3), rng) + streaked_noise(size, (48 / scale, 5), rng)
    return 0.1 + 0.75 * stretched(fibres) + 0.08 * _grain(size, rng)


def marbled(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Veins through a cloudy ground."""
    across, _ = _periods(size, rng, 3 / scale, turn=0.6)
    veins = 1 - np.abs(np.sin(math.pi * (across + 1.6 * fractal_noise(size, 4 / scale, rng))))
    return 0.75 - 0.6 * veins**3 + 0.15 * smooth_noise(size, 5, rng) + 0.05 * _grain(size, rng)


def matted(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Short hairs lying across each other."""
    hairs = np.maximum(
        streaked_noise(size, (28 / scale, 8 / scale), rng), streaked_noise(size, (8 / scale, 28 / scale), rng)
    )
    return 0.1 + 0.75 * stretched(hairs) ** 2 + 0.1 * _grain(size, rng)


def mesh(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """A net of rounded openings, each second row shifted."""
    across, down = _periods(size, rng, 8 / scale)
    shifted = across + 0.5 * (np.floor(down) % 2)
    opening = np.hypot(shifted % 1 - 0.5, (down % 1 - 0.5) * 0.9)
    return 0.12 + 0.7 * np.clip((opening - 0.28) * 7, 0, 1) + 0.1 * _grain(size, rng)


def perforated(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """A sheet with a square array of punched holes."""
    across, down = _periods(size, rng, 9 / scale)
    opening = np.hypot(across % 1 - 0.5, down % 1 - 0.5)
    return 0.05 + 0.75 * np.clip((opening - 0.22) * 10, 0, 1) + 0.1 * _grain(size, rng)


def stratified(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Layers of stone, one above the other."""
    _, down = _periods(size, rng, 8 / scale)
    layers = streaked_noise(size, (22 / scale, 2), rng)
    return (
        0.15 + 0.35 * _wave(down + 0.7 * smooth_noise(size, 3, rng)) + 0.4 * layers + 0.08 * _grain(size, rng)
    )


def brushed(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Metal with fine parallel grinding marks."""
    marks = streaked_noise(size, (60 / scale, 2), rng)
    return 0.35 + 0.3 * marks + 0.15 * smooth_noise(size, 2, rng) + 0.04 * _grain(size, rng)


def pcb(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Copper traces with bends at right angles, and drilled pads."""
    across, down = _periods(size, rng, 10 / scale)
    lanes = across + np.floor(2 * streaked_noise(size, (3 / scale, 1), rng))
    traces = np.where(smooth_noise(size, 2.5 / scale, rng) > 0.5, lanes, down)
    return 0.25 + 0.4 * (_wave(traces) > 0.75) + 0.08 * _grain(size, rng)


def tufted(size: Size, rng: np.random.Generator, scale: float) -> Field:
    """Loops of a carpet."""
    loops = smooth_noise(size, 30 / scale, rng) * (0.7 + 0.3 * _wave(_periods(size, rng, 14 / scale)[0]))
    return 0.1 + 0.7 * stretched(loops) + 0.12 * _grain(size, rng)


TEXTURES: dict[str, Texture] = {
    function.__name__: function
    for function in (
        smooth, noise, wood, weave, twill, speckle, grid, leather, blotchy, fibrous, marbled, matted, mesh,
        perforated, stratified, brushed, pcb, tufted,
    )
}  # fmt: skip
"""Every texture by its name."""


def texture(
    kind: str, size: Size, rng: np.random.Generator, *, palette: Palette | None = None, scale: float = 1.0
) -> Image:
    """A picture filled with one material.

    Args:
        kind: a key of `TEXTURES`.
        size: height and width in pixels.
        rng: the only source of chance.
        palette: colours from dark to light; a random one if absent.
        scale: size of the pattern; 1 shows some ten periods along the short side.

    Returns:
        (h, w, 3) in [0, 1].
    """
    ramp = random_palette(rng) if palette is None else palette
    return finished(paint(np.clip(TEXTURES[kind](size, rng, scale), 0, 1), ramp), rng)
