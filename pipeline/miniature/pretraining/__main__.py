"""Make the tiny CLIP: draw the pool, train, measure, write weights and model card.

The config is read from the output folder, where it lies under version control. It takes about a quarter of
an hour on a core that knows bfloat16. A run that was stopped goes on where it was, from `unfinished.pt`.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import torch

from pipeline.clip import TowerSpec, load_clip
from pipeline.clip.architecture import read_config
from pipeline.files import file_digest, value_digest, write_text
from pipeline.miniature.pretraining.pictures import EVALUATION_VIEW, TRAINING_VIEW, draw_pool
from pipeline.miniature.pretraining.probe import probe
from pipeline.miniature.pretraining.training import FIRST_DPAM_BLOCK, Schedule, associate, train
from pipeline.miniature.pretraining.vocabulary import ASSOCIATIONS
from pipeline.miniature.pretraining.weights import model_card, save_weights

_OUT = Path(__file__).parent.parent / "tiny_clip"
_TWINS = 12_000
_HELD_OUT = 200
_HELD_OUT_SEED = 1  # beside the training seed: no drawing is in both pools
_LOG = logging.getLogger("pretraining")
_EVERY = 100  # steps between two lines of progress


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.miniature.pretraining", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="of everything random (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder of config.json and of what is written")
    parser.add_argument("--processes", type=int, default=2, help="for drawing (default: %(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # sums in one order: the same weights on any number of cores
    make(arguments.out, seed=arguments.seed, processes=arguments.processes)
    return 0


def make(
    out: Path, *, seed: int, processes: int, twins: int = _TWINS, schedule: Schedule | None = None
) -> None:
    """Everything that the command does.

    Args:
        out: Folder with `config.json`; `model.safetensors` and `README.md` are written beside it.
        seed: Of everything random.
        processes: For drawing; the result does not depend on it.
        twins: Size of the pool.
        schedule: Of the training; the shipped one if absent.
    """
    chosen = schedule or Schedule()
    config_path, weights_path = out / "config.json", out / "model.safetensors"
    config = read_config(str(config_path))
    pool = draw_pool(twins, TRAINING_VIEW, seed=seed, processes=processes)
    kept = out / "unfinished.pt"
    model = train(config, pool, chosen, seed=seed, report=_reporter(chosen.steps), kept=kept)
    associate(model, ASSOCIATIONS)
    facts = {
        "command": f"python -m pipeline.miniature.pretraining --seed {seed}",
        "config": value_digest(config),
        "schedule": chosen.values(),
        "seed": seed,
        "twins": twins,
    }
    save_weights(weights_path, model, facts)
    spec = TowerSpec(
        "tiny", str(config_path), str(weights_path), EVALUATION_VIEW.side, "bilinear", "quickgelu"
    )
    held_out = draw_pool(_HELD_OUT, EVALUATION_VIEW, seed=seed + _HELD_OUT_SEED, processes=processes)
    found = probe(load_clip(spec), held_out, start=FIRST_DPAM_BLOCK)
    card = model_card(
        facts,
        found,
        digest=file_digest(weights_path),
        native=TRAINING_VIEW.side,
        start=FIRST_DPAM_BLOCK,
        held_out=_HELD_OUT,
    )
    write_text(out / "README.md", card)
    kept.unlink()


def _reporter(steps: int) -> Callable[[int, float, float], None]:
    """Logs the mean losses of every stretch of steps."""
    recent: list[tuple[float, float]] = []

    def report(step: int, caption: float, patch: float) -> None:
        recent.append((caption, patch))
        if step % _EVERY == 0 or step == steps:
            means = map(fmean, zip(*recent, strict=True))
            _LOG.info("step %d of %d: captions %.3f, patches %.3f", step, steps, *means)
            recent.clear()

    return report


if __name__ == "__main__":
    sys.exit(main())
