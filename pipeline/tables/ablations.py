"""Tables with variants of AnomalyCLIP in rows, the paper's two data sets in columns, and all other variants.

Tables 4 and 5 are the paper's, `review7` and `review11` to `review14` those that its authors gave in the
review thread (`published/README.md`; the thread's Table 8 is in `cost`). A row's variant is known by its name
alone. A table is there once one of its variants was run, one of the review thread once a variant was run that
no table of the paper has.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple, TypeVar

from pipeline.catalog import Task
from pipeline.cells import System
from pipeline.tables.gains import OBJECT_AWARE
from pipeline.tables.legend import LEVEL_TITLES, labelled, legend, over_subsets
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.outcome import Outcome, in_order
from pipeline.tables.paper import ATTENTIONS, TUNINGS
from pipeline.tables.verdicts import references

_T = TypeVar("_T")


def _of_anomalyclip(labels: Mapping[str, _T]) -> dict[System, _T]:
    return {System("anomalyclip", variant): label for variant, label in labels.items()}


# Table 4, from the top down; each row adds a module to the one above.
_MODULES: Final = _of_anomalyclip({"base": ("Base",), "t1": ("+ T1",), "t2": ("+ T2",), "": ("+ T3",)})
# Table 5: the local loss, the global loss.
_LOSSES: Final = _of_anomalyclip(
    {"untrained": ("✗", "✗"), "global_only": ("✗", "✓"), "local_only": ("✓", "✗"), "": ("✓", "✓")}
)


class _Review(NamedTuple):
    """A table of the review thread: the variants in its rows with their labels under `column`."""

    name: str
    title: str
    column: str
    rows: Mapping[System, tuple[str, ...]]
    remark: str


_REVIEW: Final = (
    _Review(
        "review7",
        "Table 7. AnomalyCLIP without one module",
        "Left out",
        _of_anomalyclip(
            {
                "": ("none",),
                "no_dpam": ("T1: DPAM",),
                "object_aware": ("T2: object-agnostic prompts",),
                "t2": ("T3: tokens in the text tower",),
                "lambda_1": ("T4: several layers",),
            }
        ),
        "The thread does not say what stands behind a row. Here T2 left out is prompts with class names, and "
        "T4 a local loss of weight 1: several layers were then the top layer counted four times.",
    ),
    _Review(
        "review11",
        "Table 11. Learnt context of the two prompts",
        "Context",
        _of_anomalyclip({"": ("one for each prompt",), "shared_context": ("shared, V = W",)}),
        "The vectors in front of the words: V of the normal prompt, W of the abnormal one.",
    ),
    _Review(
        "review12",
        "Table 12. Attention of the local path",
        "Attention",
        _of_anomalyclip(
            {
                "": ("V-V",),
                "no_dpam": ("Q-K, without DPAM",),
                "three_attentions": ("mean of Q-Q, K-K, V-V",),
                "four_attentions": ("mean of Q-K, Q-Q, K-K, V-V",),
            }
        ),
        "Logits of the patches are averaged, then follows the softmax; in training, too.",
    ),
    _Review(
        "review13",
        "Table 13. Backbones of AnomalyCLIP",
        "Backbone",
        _of_anomalyclip({"b16plus": ("B/16+",), "": ("L/14@336",), "h14": ("H/14",)}),
        "The thread gives neither weights, resolutions nor blocks; those chosen are in "
        "`pipeline/conf/backbones`. In the miniature tiny towers stand for all three.",
    ),
    _Review(
        "review14",
        "Table 14. Local loss of AnomalyCLIP",
        "Local loss",
        _of_anomalyclip(
            {
                "global_only": ("none",),
                "dice_only": ("dice",),
                "focal_only": ("focal",),
                "": ("focal and dice",),
            }
        ),
        "The global loss is on in every row.",
    ),
)
_OF_THE_PAPER: Final = frozenset({*_MODULES, *_LOSSES, *TUNINGS, OBJECT_AWARE, *ATTENTIONS})
_COMPARED: Final = _OF_THE_PAPER.union(*(table.rows for table in _REVIEW))

_ABLATED_ON: Final = ("mvtec", "visa")
_ABLATED_TASKS: Final[tuple[Task, ...]] = ("pixel", "image")


def table4(outcome: Outcome) -> Table | None:
    """Table 4."""
    remark = (
        "Each row adds to the one above: T1 is DPAM, T2 the learnt object-agnostic prompts, T3 the learnt "
        "tokens in the text tower. The paper does not say which prompts stand behind Base and + T1."
    )
    title = "Table 4. Module ablation of AnomalyCLIP"
    return _by_variant("table4", title, outcome, ("Module",), _MODULES, remark)


def table5(outcome: Outcome) -> Table | None:
    """Table 5."""
    remark = "✗ ✗ keeps the parameters as drawn; the paper does not say what stands behind this row."
    title = "Table 5. Context optimisation of AnomalyCLIP"
    return _by_variant("table5", title, outcome, ("Local", "Global"), _LOSSES, remark)


def _of_review(table: _Review, outcome: Outcome) -> Table | None:
    if not outcome.has_variant(table.rows.keys() - _OF_THE_PAPER):
        return None
    title = f"Review thread, {table.title}"
    return _by_variant(table.name, title, outcome, (table.column,), table.rows, table.remark)


REVIEW_TABLES: Final = tuple(partial(_of_review, table) for table in _REVIEW)


def variants(outcome: Outcome) -> Table | None:
    """Every variant that no other table or figure compares, such as those of a sweep, and its method.

    A section for each data set that one of them ran on, with its pairs of levels in columns.
    """
    others = [
        system
        for system, own in outcome.means.items()
        if system.variant and system not in _COMPARED and system.variant != own.protocol
    ]
    if not others:
        return None
    ran = [name for name in outcome.expected if any(outcome.means[it].ran_on(name) for it in others)]
    part = outcome.only(in_order({*others, *(System(other.method) for other in others)}), ran)
    sections = [_variants_of(outcome, part, dataset) for dataset in part.expected]
    remark = (
        "What a variant sets stands under `variants` in params.yaml, what it is tuned on under `retuned`."
    )
    lines = (remark, *legend(part, sections))
    return Table("variants", "Other variants", part, tuple(sections), lines)


def _by_variant(
    name: str,
    title: str,
    outcome: Outcome,
    header: tuple[str, ...],
    labels: Mapping[System, tuple[str, ...]],
    remark: str,
) -> Table | None:
    """Systems in rows, by `labels` under `header`, all of them once one of the variants was run."""
    if not outcome.has_variant(labels):
        return None
    part = outcome.only(labels, [name for name in _ABLATED_ON if name in outcome.expected])
    columns = [
        (dataset, task)
        for dataset, record in part.expected.items()
        for task in _ABLATED_TASKS
        if task in record.tasks
    ]
    titles = [f"{part.expected[dataset].title}: {LEVEL_TITLES[task]}" for dataset, task in columns]
    published = references(name, part.label)
    by_column = [
        ranked([over_subsets(own, dataset, task, published) for own in part.means.values()])
        for dataset, task in columns
    ]
    by_row = zip(*by_column, strict=True)
    rows = tuple(Row(labels[system], slots) for system, slots in zip(part.means, by_row, strict=False))
    section = Section((*header, *titles), rows, text_columns=len(header))
    names = labelled({system: " ".join(label) for system, label in labels.items()})
    lines = (*names, remark, *legend(part, [section]))
    return Table(name, title, part, (section,), lines)


def _variants_of(outcome: Outcome, part: Outcome, dataset: str) -> Section:
    """The methods and variants that ran on `dataset`, in rows."""
    record = part.expected[dataset]
    tasks = [task for task in LEVEL_TITLES if task in record.tasks]
    ran = {system: own for system, own in part.means.items() if own.ran_on(dataset)}
    by_task = [ranked([over_subsets(own, dataset, task, {}) for own in ran.values()]) for task in tasks]
    rows = tuple(
        Row((outcome.title(System(system.method)), system.variant or "as it is"), slots)
        for system, slots in zip(ran, zip(*by_task, strict=True), strict=True)
    )
    titles = (LEVEL_TITLES[task] for task in tasks)
    return Section(("Method", "Variant", *titles), rows, text_columns=2, title=record.title)
