"""Published numbers as data, in percent: the paper's Tables 1 to 5, and by subset what is known elsewhere.

Files are described, with their sources, in the README beside them. What the paper leaves blank has no row.
The `appendix/` folder keeps numbers from outside the five tables as they were found; those by subset and
those of the review thread are read here.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from pipeline import catalog
from pipeline.cells import System
from pipeline.results import METRICS, ResultsError, RuleColumns

PRINTED_NAMES: Final = {
    "clip": "CLIP",
    "clip_ac": "CLIP-AC",
    "winclip": "WinCLIP",
    "vand": "VAND",
    "coop": "CoOp",
    "anomalyclip": "AnomalyCLIP",
}
"""The paper's methods in the order of its tables, and what it calls them."""

SINCE: Final = ("af_clip", "bayes_pfl", "faprompt", "glocalclip", "mrad_ft", "mrad_tf", "uniadet")
"""Methods of the main track published since, which stand in tables beside the paper's."""

_FILES: Final = {
    1: "table1_industrial.csv",
    2: "table2_medical.csv",
    3: "table3_medical_auxiliary.csv",
    4: "table4_module_ablation.csv",
    5: "table5_context_optimization.csv",
}

# Tables 3 to 5 name what they compare by words of their own; `params.yaml` has these as variants.
_VARIANTS: Final = {
    3: {"": "medical"},
    4: {"base": "base", "t1_dpam": "t1", "t1_t2_prompts": "t2", "t1_t2_t3_full": ""},
    5: {
        "local0_global0": "untrained",
        "local0_global1": "global_only",
        "local1_global0": "local_only",
        "local1_global1": "",
    },
}

# Likewise the tables of the review thread: file, and its first column.
_REVIEW: Final[Mapping[int, tuple[str, Mapping[str, str]]]] = {
    7: (
        "leave_one_module_out",
        {
            "none": "",
            "T1 DPAM": "no_dpam",
            "T2 object-agnostic prompts": "object_aware",
            "T3 textual prompt tuning": "t2",
            "T4 multi-layer local features": "lambda_1",
        },
    ),
    11: ("shared_vs_unshared_context", {"unshared (default)": "", "shared V=W": "shared_context"}),
    12: (
        "attention_ensembles",
        {
            "V-V (default)": "",
            "Q-K only (no DPAM)": "no_dpam",
            "mean logits of Q-Q + K-K + V-V": "three_attentions",
            "mean logits of Q-K + Q-Q + K-K + V-V": "four_attentions",
        },
    ),
    13: ("backbones", {"ViT-B/16+": "b16plus", "ViT-L/14@336": "", "ViT-H/14": "h14"}),
    14: (
        "focal_dice",
        {
            "none (global only)": "global_only",
            "dice only": "dice_only",
            "focal only": "focal_only",
            "focal + dice": "",
        },
    ),
}
_REVIEW_COSTS: Final = {
    "CLIP": System("clip"),
    "WinCLIP": System("winclip"),
    "CoOp": System("coop"),
    "AnomalyCLIP without DPAM": System("anomalyclip", "no_dpam"),
    "AnomalyCLIP": System("anomalyclip"),
}
_REVIEWED_ON: Final = ("mvtec", "visa")

_PROTOCOLS: Final = {3: {"protocol": "own"}}  # tuned on ColonDB
_MEDICAL_APART: Final = {"glocalclip"}  # tuned on ClinicDB for medical sets, on ColonDB for that one
# Values in Table 1 that the paper takes from the methods' own papers (README).
_TAKEN_OVER: Final = {(method, dataset) for method in ("winclip", "vand") for dataset in ("mvtec", "visa")}
_BY_PRINTED_NAME: Final = {title: method for method, title in PRINTED_NAMES.items()}
_LOG_METRICS: Final = {
    "image_auroc": "image_auroc",
    "image_ap": "image_ap",
    "pixel_auroc": "pixel_auroc",
    "pixel_pro": "pixel_aupro",
}
_WINCLIP_METRICS: Final = {
    "image_auroc": "reported_image_auroc",
    "image_f1_max": "reported_image_f1max",
    "pixel_auroc": "reported_pixel_auroc",
    "pixel_f1_max": "reported_pixel_f1max",
}

Source = Literal["paper", "authors' log", "other paper", "review thread"]


@dataclass(frozen=True)
class PublishedValue(RuleColumns):
    """One printed number, with what is known of it by the rule.

    Attributes:
        table: 1 to 5 of the paper, `None` for a value from elsewhere.
        method: such as `anomalyclip`.
        variant: row of an ablation table (4 and 5, all of AnomalyCLIP); of the review thread the variant in
            params; "" elsewhere.
        dataset: name in the catalog.
        metric: name of a metric.
        percent: the value as printed, in [0, 100].
        subset: name of the subset, "" for the mean over all.
        source: who says so: the paper, its authors in the log that they published with their checkpoints
            or in the review thread, or the paper of another method.
    """

    table: int | None
    method: str
    variant: str
    dataset: str
    metric: str
    percent: float
    subset: str = ""
    source: Source = "paper"

    @property
    def system(self) -> System:
        """What it was measured on, by the variant's name in `params.yaml`."""
        variants = _VARIANTS.get(self.table or 0, {})
        return System(self.method, variants.get(self.variant, self.variant))

    def __post_init__(self) -> None:
        if self.metric not in METRICS or not 0 <= self.percent <= 100:
            raise ResultsError(f"published: {self} is no metric in percent; fix its CSV file")
        self.check_rule(f"published: {self.system.name} on {self.dataset}")


def published_table(number: int) -> tuple[PublishedValue, ...]:
    """The values of Table `number` (1 to 5) of the paper, in the order of its file."""
    return tuple(_of_table(number, line) for line in _lines(_FILES[number]))


def _of_table(number: int, line: Mapping[str, str]) -> PublishedValue:
    method, dataset = line.get("method", "anomalyclip"), line["dataset"]
    source = _source(number, method, dataset)
    return PublishedValue(
        table=number,
        method=method,
        variant=line.get("variant", ""),
        dataset=dataset,
        metric=line["metric"],
        percent=float(line["value"]),
        source=source,
        **_rule(source, method, dataset) | _PROTOCOLS.get(number, {}),
    )


def _source(number: int, method: str, dataset: str) -> Source:
    return "other paper" if number == 1 and (method, dataset) in _TAKEN_OVER else "paper"


def _rule(source: Source, method: str, dataset: str) -> dict[str, str]:
    """The columns of `RuleColumns`, from `rule.csv` and the catalog."""
    record, rule = catalog.record(dataset), _known_rules()[source, method]
    apart = method in _MEDICAL_APART and record.domain == "medical"
    own = {"protocol": "own"} if apart else {}
    return {"build_name": record.build().name, **rule, **own}


@cache
def _known_rules() -> dict[tuple[str, str], dict[str, str]]:
    return {(line.pop("source"), line.pop("method")): line for line in _lines("rule.csv")}


def published_review(number: int) -> tuple[PublishedValue, ...]:
    """The values of Table `number` (7, 11 to 14) of the review thread, all of AnomalyCLIP."""
    name, variants = _REVIEW[number]
    lines = _lines(f"appendix/openreview_table{number}_{name}.csv")
    return tuple(
        PublishedValue(
            table=None,
            method="anomalyclip",
            variant=variants[next(iter(line.values()))],
            dataset=dataset,
            metric=metric,
            percent=float(printed),
            source="review thread",
            **_rule("review thread", "anomalyclip", dataset),
        )
        for line in lines
        for dataset in _REVIEWED_ON
        for metric in METRICS
        if (printed := line.get(f"{dataset}_{metric}"))
    )


def published_costs() -> dict[System, tuple[float | None, float | None]]:
    """Table 8 of the review thread: images a second, and minutes of an epoch on MVTec AD, on an RTX 3090."""
    return {
        _REVIEW_COSTS[line["method"]]: (
            _known(line["inference_fps"]),
            _known(line["train_minutes_per_epoch_on_mvtec_test_1725_images"]),
        )
        for line in _lines("appendix/openreview_table8_computation_overhead.csv")
    }


def _known(text: str) -> float | None:
    return float(text) if text else None


def published_subsets() -> tuple[PublishedValue, ...]:
    """Values by subset of MVTec AD and VisA: the paper's where they are known, else the next best source.

    For AnomalyCLIP that is the authors' log, for WinCLIP its own paper.
    """
    values: dict[tuple[str, str, str, str], PublishedValue] = {}
    for value in (*_from_paper(), *_from_log("mvtec"), *_from_log("visa"), *_from_winclip()):
        values.setdefault((value.method, value.dataset, value.subset, value.metric), value)
    return tuple(values.values())


@cache
def published_since() -> tuple[PublishedValue, ...]:
    """Values of methods published since, of every track, by subset and as means over all."""
    return tuple(
        _by_subset(
            line["method"], line["dataset"], line["subset"], line["metric"], line["value"], line["source"]
        )
        for line in _lines("since_2024.csv")
    )


def _from_paper() -> list[PublishedValue]:
    files_of = {
        "mvtec": "appendix/appF_table12_mvtec_image_auroc.csv",
        "visa": "appendix/appF_table16_17_visa_image_auroc_ap.csv",
    }
    return [
        _by_subset(
            _BY_PRINTED_NAME[line["method"]], dataset, line["subset"], line["metric"], line["value"], "paper"
        )
        for dataset, name in files_of.items()
        for line in _lines(name)
    ]


def _from_log(dataset: str) -> list[PublishedValue]:
    return [
        _by_subset("anomalyclip", dataset, line["subset"], metric, line[column], "authors' log")
        for line in _lines(f"appendix/official_repo_log_{dataset}_released_checkpoint.csv")
        if line["subset"] != "mean"
        for metric, column in _LOG_METRICS.items()
    ]


def _from_winclip() -> list[PublishedValue]:
    names = {"MVTec-AD": "mvtec", "VisA": "visa"}
    return [
        _by_subset("winclip", names[line["dataset"]], line["subset"], metric, line[column], "other paper")
        for line in _lines("appendix/winclip_paper_zero_shot_per_subset.csv")
        if line["subset"] != "Average"
        for metric, column in _WINCLIP_METRICS.items()
    ]


def _by_subset(
    method: str, dataset: str, subset: str, metric: str, value: str, source: Source
) -> PublishedValue:
    return PublishedValue(
        table=None,
        method=method,
        variant="",
        dataset=dataset,
        subset=subset,
        metric=metric,
        percent=float(value),
        source=source,
        **_rule(source, method, dataset),
    )


def _lines(name: str) -> list[dict[str, Any]]:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
