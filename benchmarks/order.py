"""The paper's order on the miniature: which method is above which, and by how much more than chance.

    python -m benchmarks order

Every learnt system is tuned with each seed and evaluated on all data sets. A relation compares means over the
data sets; its interval is Student's, over the differences under one seed each. What comes out is written to
`benchmarks/order.yaml`, which the tests hold, and to the model card of the tiny CLIP.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
import yaml
from scipy.special import stdtrit

from benchmarks.common import facts, table, write_section
from benchmarks.learning import Miniature, average, committed_params, prepared
from benchmarks.subjects import ROOT
from pipeline.files import file_digest, write_text

OUTCOME = Path(__file__).with_name("order.yaml")
CARD = ROOT / "pipeline" / "miniature" / "tiny_clip" / "README.md"
_SECTION = re.compile("(<!-- order -->).*(<!-- end of order -->)", re.DOTALL)
SEEDS = (111, *range(1, 12))
_FEW = 5  # seeds of systems whose relations stand far above their spread
VARIANTS = ("base", "t1", "t2", "global_only", "local_only", "untrained", "qq", "kk", "qk")
_METHODS = ("anomalyclip", "clip", "clip_ac", "winclip", "vand")
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Relation:
    """A statement of the paper: `upper` is above `lower` in `metric`; `equal` says that they are the same."""

    says: str
    upper: str
    lower: str
    metric: str
    equal: bool = False


def _each(says: str, upper: str, lower: str, *metrics: str) -> list[Relation]:
    return [Relation(says, upper, lower, metric) for metric in metrics]


OURS = "anomalyclip"
RELATIONS = (
    *_each("AnomalyCLIP above CLIP", OURS, "clip", "image_auroc", "pixel_auroc", "pixel_pro"),
    *_each("trained above untrained", OURS, f"{OURS}[untrained]", "image_auroc", "pixel_auroc", "pixel_pro"),
    *_each("+T1 above Base", f"{OURS}[t1]", f"{OURS}[base]", "pixel_auroc", "pixel_pro"),
    Relation("+T1 equal to Base", f"{OURS}[t1]", f"{OURS}[base]", "image_auroc", equal=True),
    *_each("+T2 above +T1", f"{OURS}[t2]", f"{OURS}[t1]", "image_auroc", "pixel_auroc", "pixel_pro"),
    *_each("both losses above local alone", OURS, f"{OURS}[local_only]", "image_auroc"),
    *_each("both losses above global alone", OURS, f"{OURS}[global_only]", "pixel_auroc", "pixel_pro"),
    *_each("VAND above CLIP", "vand", "clip", "pixel_auroc", "pixel_pro"),
    *_each("V-V above Q-K", OURS, f"{OURS}[qk]", "pixel_auroc", "pixel_pro"),
    *_each("Q-Q above Q-K", f"{OURS}[qq]", f"{OURS}[qk]", "pixel_auroc", "pixel_pro"),
    *_each("K-K above Q-K", f"{OURS}[kk]", f"{OURS}[qk]", "pixel_auroc", "pixel_pro"),
)


_MANY = (OURS, *(f"{OURS}[{variant}]" for variant in ("t2", "local_only", "untrained")))


@dataclass(frozen=True)
class Found:
    """What a relation came to, in points.

    Attributes:
        difference: Mean over seeds of upper minus lower.
        half: Half the width of its interval at 95 %; 0 where nothing on either side is learnt.
        holds: Whether the difference is larger than that, or none where none is expected.
    """

    difference: float
    half: float
    holds: bool


Values = Mapping[str, Mapping[str, Sequence[float]]]
"""System to metric to its mean over the data sets, one a seed; a single one where nothing is learnt."""


def judged(relation: Relation, values: Values) -> Found:
    """Whether a relation holds, by the differences under one seed each."""
    upper, lower = (values[name][relation.metric] for name in (relation.upper, relation.lower))
    count = min((len(side) for side in (upper, lower) if len(side) > 1), default=1)
    sides = [list(side) * count if len(side) == 1 else side[:count] for side in (upper, lower)]
    apart = [one - other for one, other in zip(*sides, strict=True)]
    difference = fmean(apart)
    half = _quantile(count) * stdev(apart) / count**0.5 if count > 1 else 0.0
    holds = difference == 0 if relation.equal else difference > half
    return Found(round(difference, 2), round(half, 2), holds)


def _quantile(count: int) -> float:
    return float(stdtrit(count - 1, (1 + _CONFIDENCE) / 2))


def measured(
    miniature: Miniature, systems: Sequence[str], seeds: Sequence[int]
) -> dict[str, dict[str, list[float]]]:
    """`Values` of the systems: of the first few seeds where these suffice, one where nothing is learnt."""
    values: dict[str, dict[str, list[float]]] = {}
    for name in systems:
        chosen = (seeds if name in _MANY else seeds[:_FEW]) if miniature.learns(name) else seeds[:1]
        means = [miniature.means(name, seed) for seed in chosen]
        values[name] = {metric: [round(average(one, metric), 4) for one in means] for metric in means[0]}
        print(name, {metric: round(fmean(each), 1) for metric, each in values[name].items()}, flush=True)
    return values


def params_of_order() -> Any:
    """The committed params with the ablations, and CLIP's own path under learnt prompts."""
    ablations = yaml.safe_load((ROOT / "pipeline/conf/variants/ablations.yaml").read_text(encoding="utf-8"))
    ablations[OURS]["qk"] = {"attention": "qk"}
    return committed_params({"variants": ablations})


def rows(outcome: Mapping[str, Any]) -> Iterator[list[str]]:
    """The table of an outcome."""
    for relation, found in zip(RELATIONS, outcome["relations"], strict=True):
        metric = relation.metric.replace("_", " ").replace("auroc", "AUROC").replace("pro", "PRO")
        interval = "exactly" if relation.equal else f"± {found['half']:.1f}"
        yield [
            relation.says,
            metric,
            f"{found['difference']:+.1f}",
            interval,
            "yes" if found["holds"] else "no",
        ]


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)


def run(arguments: argparse.Namespace) -> None:
    """Measure, write the outcome and the section of the model card."""
    torch.set_num_threads(1)
    params = params_of_order()
    with prepared(params):
        systems = [*_METHODS, *(f"{OURS}[{variant}]" for variant in VARIANTS)]
        values = measured(Miniature(params), systems, arguments.seeds)
    write(values, arguments.seeds)


def write(values: Values, seeds: Sequence[int]) -> None:
    """Write the outcome and the sections of RESULTS.md and the model card."""
    outcome = {
        "weights": file_digest(CARD.with_name("model.safetensors")),
        "seeds": list(seeds),
        "values": values,
        "relations": [asdict(judged(relation, values)) for relation in RELATIONS],
    }
    write_text(OUTCOME, yaml.safe_dump(outcome, sort_keys=False))
    head = ["relation", "metric", "difference in points", "95 %", "holds"]
    words = f"Means over the data sets, {len(seeds)} seeds, {_FEW} where these suffice. {facts()}"
    found = f"{words}\n\n{table(head, rows(outcome))}"
    write_section("order", "The paper's order on the miniature", found)
    text = CARD.read_text(encoding="utf-8")
    write_text(CARD, _SECTION.sub(lambda marks: f"{marks[1]}\n{found}\n{marks[2]}", text))
