"""The image tower against plain open_clip: same weights, batch and work (class token and last patches).

    python -m benchmarks tower                                     # ViT-L/14@336 at 518 px, one image
    python -m benchmarks tower --device cuda --batch 8             # float32, TF32, bfloat16, float16

On a GPU the share of the peak is that of the blocks' matrix products (24 W²L + 4 W L² operations each) in
what a large matrix product of the same type reaches there, measured in the same run.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.common import add_rounds, facts, interleaved, synchronise, table, write_section
from benchmarks.subjects import random_clip, random_images, random_state
from pipeline.clip import Clip, Global, Local, Tap
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.model import fit_positions
from pipeline.clip.spec import Precision

MODEL, SIZE = "ViT-L-14-336", 518
TAPS: frozenset[Tap] = frozenset([Global(), Local("qk", 24)])

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_MATRIX = 8192  # side of the matrices whose product is a GPU's peak
_TYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def plain_open_clip(clip: Clip, images: Tensor) -> Callable[[], object]:
    """open_clip's own forward of the same weights: class token, and patch tokens of the last block."""
    model = build_model(read_config(MODEL), "quickgelu")
    model.load_state_dict(random_state(MODEL))
    visual = model.visual.to(clip.device).eval().requires_grad_(False)
    positions = fit_positions(visual.positional_embedding, clip.vision.grid, clip.spec)
    visual.positional_embedding = torch.nn.Parameter(positions, requires_grad=False)
    visual.output_tokens = True
    mean, std = (torch.tensor(values, device=clip.device).view(3, 1, 1) for values in (_MEAN, _STD))

    def forward() -> None:
        pixels = images.to(clip.device).permute(0, 3, 1, 2).float().div(255)
        visual((pixels - mean) / std)
        synchronise(clip.device.type)

    return forward


def ours(clip: Clip, images: Tensor) -> Callable[[], object]:
    """Our pass with the taps of CLIP."""

    def forward() -> None:
        clip.encode_image(images, TAPS)
        synchronise(clip.device.type)

    return forward


def operations(clip: Clip, images: int) -> float:
    """Of the blocks' matrix products."""
    length, width = clip.vision.grid**2 + 1, clip.vision.width
    return images * clip.vision.depth * (24 * width**2 * length + 4 * width * length**2)


def peak(dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product on the GPU."""
    a = torch.randn(_MATRIX, _MATRIX, device="cuda").to(dtype)

    def product() -> None:
        torch.mm(a, a)
        synchronise("cuda")

    return 2 * _MATRIX**3 / interleaved({"product": product}, 10)["product"]


def on_cpu(batch: int, rounds: int) -> str:
    """Ratio to open_clip, both in float32, in processor seconds."""
    images = random_images(batch, SIZE)
    clip = random_clip(MODEL, SIZE)
    contenders = {"open_clip": plain_open_clip(clip, images), "zsad": ours(clip, images)}
    interleaved(contenders, 1)  # the first pass finds memory for all
    seconds = interleaved(contenders, rounds, time.process_time)
    rows = [
        [name, f"{value / batch:.2f}", f"{value / seconds['open_clip']:.3f}"]
        for name, value in seconds.items()
    ]
    return table(["ViT-L/14@336, 518 px, class token and patches", "CPU s an image", "times open_clip"], rows)


def on_gpu(batch: int, rounds: int) -> str:
    """Every type, with the share of the peak and the ratio to open_clip in float32."""
    images = random_images(batch, SIZE)
    rows = []
    for precision, dtype in _TYPES.items():
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        clip = random_clip(MODEL, SIZE, "cuda", precision)
        contenders = {"zsad": ours(clip, images)}
        if dtype == torch.float32:
            contenders["open_clip"] = plain_open_clip(clip, images)
        interleaved(contenders, 2)  # kernels are chosen
        seconds = interleaved(contenders, rounds)
        rate = operations(clip, batch) / seconds["zsad"]
        ratio = f"{seconds['zsad'] / seconds['open_clip']:.3f}" if "open_clip" in seconds else "-"
        share = rate / peak(dtype)
        rows.append(
            [precision, f"{batch / seconds['zsad']:.1f}", f"{rate / 1e12:.1f}", f"{share:.0%}", ratio]
        )
    return table(["type", "images/s", "TFLOP/s", "of matrix peak", "times open_clip"], rows)


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    add_rounds(parser, 3)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        body = (on_gpu if arguments.device == "cuda" else on_cpu)(arguments.batch, arguments.rounds)
    name = "tower" if arguments.device == "cpu" else "tower_gpu"
    rounds = f"Medians of {arguments.rounds} interleaved rounds after a warm one, batch {arguments.batch}."
    words = f"{rounds} {facts(arguments.device)}"
    write_section(name, f"Tower, {arguments.device}", f"{words}\n\n{body}")
