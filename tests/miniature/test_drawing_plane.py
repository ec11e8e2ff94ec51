"""Coordinates, distance fields and noise against what they are defined to be."""

import math
from itertools import pairwise

import numpy as np
import pytest

from pipeline.miniature.drawing import plane as p

SIZE = (60, 80)


def test_the_short_side_spans_the_unit_square_in_square_pixels() -> None:
    x, y = p.plane(SIZE)
    assert y[0, 0] == pytest.approx(-1 + p.pixel(SIZE) / 2)
    assert y[-1, 0] == pytest.approx(1 - p.pixel(SIZE) / 2)
    assert x[0, 1] - x[0, 0] == pytest.approx(y[1, 0] - y[0, 0])
    assert x.mean() == pytest.approx(0, abs=1e-12)


def test_a_disc_covers_its_area() -> None:
    covered = p.coverage(p.disc(*p.plane(SIZE), 0.7), SIZE).sum() * p.pixel(SIZE) ** 2
    assert covered == pytest.approx(math.pi * 0.7**2, rel=2e-3)


def test_a_box_with_square_corners_covers_its_area() -> None:
    covered = p.coverage(p.box(*p.plane(SIZE), 0.9, 0.4), SIZE).sum() * p.pixel(SIZE) ** 2
    assert covered == pytest.approx(4 * 0.9 * 0.4, rel=2e-3)


def test_the_distance_to_a_path_is_that_to_its_nearest_sample() -> None:
    points = np.array([[-0.5, -0.5], [0.2, 0.1], [0.6, -0.7]])
    x, y = p.plane((24, 24))
    share = np.linspace(0, 1, 2001)[:, None]
    samples = np.concatenate([a + share * (b - a) for a, b in pairwise(points)])
    brute = np.hypot(x[..., None] - samples[:, 0], y[..., None] - samples[:, 1]).min(axis=-1)
    np.testing.assert_allclose(p.polyline(x, y, points), brute, atol=1e-3)


def test_a_polygon_is_the_intersection_of_its_half_planes() -> None:
    x, y = p.plane(SIZE)
    normals = [2 * math.pi * k / 5 for k in range(5)]
    brute = np.max([math.cos(a) * x + math.sin(a) * y for a in normals], axis=0) - 0.6
    np.testing.assert_allclose(p.polygon(x, y, 0.6, 5), brute, atol=1e-12)


def test_turning_keeps_distances_and_turns_by_the_angle() -> None:
    x, y = p.plane(SIZE)
    u, v = p.turned(x, y, 0.3)
    np.testing.assert_allclose(np.hypot(u, v), np.hypot(x, y))
    np.testing.assert_allclose(np.angle((u + 1j * v) / (x + 1j * y)), -0.3)


def test_noise_fills_its_range_and_gets_finer_with_more_cells() -> None:
    coarse = p.smooth_noise(SIZE, 3, np.random.default_rng(0))
    fine = p.smooth_noise(SIZE, 24, np.random.default_rng(0))
    for noise in (coarse, fine, p.fractal_noise(SIZE, 5, np.random.default_rng(1))):
        assert noise.shape == SIZE
        assert (noise.min(), noise.max()) == (0, 1)
    assert np.abs(np.diff(fine, axis=1)).mean() > 3 * np.abs(np.diff(coarse, axis=1)).mean()


def test_a_constant_field_is_stretched_to_the_middle() -> None:
    assert (p.stretched(np.full(SIZE, 3.0)) == 0.5).all()
