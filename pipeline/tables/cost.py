"""Cost beside accuracy, from what `zsad cost` measured: a table, a picture, and the review thread's Table 8.

They stand in the folder of the measurement, apart from the tables of a run: times differ from run to run.
Cost stands in the labels of a row, accuracy, where a run has it, in its slots.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.cells import System
from pipeline.errors import count
from pipeline.files import write_text
from pipeline.params import Params
from pipeline.results.cost import Costs, SystemCost
from pipeline.tables.figures import COLOURS, GRID, MARKERS, canvas
from pipeline.tables.html import html
from pipeline.tables.latex import latex
from pipeline.tables.legend import LEVEL_METRICS, LEVEL_TITLES, METRIC_TITLES, over_datasets
from pipeline.tables.markdown import markdown
from pipeline.tables.model import UNDEFINED, Row, Section, Slot, Table, ranked
from pipeline.tables.outcome import PAPER_PROFILE, Outcome
from pipeline.tables.published import published_costs
from pipeline.tables.write import read_outcome

_FORMATS: Final = {".md": markdown, ".tex": latex, ".html": html}
_HEADER: Final = (
    "Method",
    "learnt parameters",
    "frozen parameters",
    "GFLOP an image",
    "GFLOP a class",
    "tower, ms an image",
    "head, ms an image",
    "text, ms a class",
    "peak MiB",
    "tuning, s",
)
_PLOTTED: Final = ("image_auroc", "pixel_auroc")
_REVIEW_GPU: Final = "RTX 3090"


def write_cost(params: Params, costs: Costs) -> list[Path]:
    """Write `cost` and `review8` as `.md`, `.tex` and `.html`, and `cost.svg`, beside the measurement.

    Without a division of data sets that is evaluated whole, there is no accuracy and no picture.

    Raises:
        ZsadError: a file of the results is damaged; the message names it.
    """
    out = params.results / "cost"
    evaluated = any((params.results / "metrics").glob("*/*.parquet"))
    outcome = read_outcome(params) if evaluated else Outcome(params.profile, {}, {})
    texts = {
        out / f"{table.name}{suffix}": write(table)
        for table in (cost_table(outcome, costs), review8(outcome, costs))
        for suffix, write in _FORMATS.items()
    }
    for path, text in texts.items():
        write_text(path, text)
    picture = out / "cost.svg"
    picture.unlink(missing_ok=True)
    if not outcome.divisions:
        return list(texts)
    draw_cost(outcome, costs, picture)
    return [*texts, picture]


def cost_table(outcome: Outcome, costs: Costs) -> Table:
    """What every measured system costs, and its averages over the data sets of each division."""
    part = outcome.only([it.system for it in costs.systems])
    columns = _accuracies(part)
    by_row: Sequence[tuple[Slot, ...]] = list(zip(*columns.values(), strict=True)) or [
        () for _ in costs.systems
    ]
    rows = tuple(
        Row((it.label, *_printed(it)), slots) for it, slots in zip(costs.systems, by_row, strict=True)
    )
    section = Section((*_HEADER, *columns), rows, text_columns=1)
    lines = (
        "Each system alone on its tower, with random weights. GFLOP: 10^9 operations of matrix products and "
        "convolutions, two for a multiplication and an addition; of an image in tower and head.",
        f"Batches of {costs.batch}; median of {count(costs.rounds, 'round')} in which all took turns. The "
        "text side is made once a class. Peak: weights of the tower, and what a batch needs besides.",
        f"Tuning: a tower pass of each of the {costs.images} images of {costs.auxiliary}, and all steps.",
        _machine(costs),
        *(["Accuracy: percent, plain mean over data sets."] if columns else []),
    )
    return Table("cost", "What a system costs", part, (section,), lines)


def _accuracies(part: Outcome) -> dict[str, list[Slot]]:
    return {
        f"{division.capitalize()}: {LEVEL_TITLES[task]}": ranked(
            [over_datasets(own, names, task) for own in part.means.values()]
        )
        for division, names in part.divisions.items()
        for task in LEVEL_METRICS
        if any(task in part.expected[name].tasks for name in names)
    }


def _printed(cost: SystemCost) -> tuple[str, ...]:
    return (
        f"{cost.learnt:,}",
        f"{cost.frozen:,}",
        *(
            _three_digits(value)
            for value in (
                cost.image_gflop,
                cost.text_gflop,
                cost.tower_ms,
                cost.head_ms,
                cost.text_ms,
                cost.memory_mib,
                cost.training_s,
            )
        ),
    )


def _three_digits(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _machine(costs: Costs) -> str:
    known = costs.machine
    threads = f", {count(costs.threads, 'thread')}" if costs.device == known["processor"] else ""
    return f"Measured on {costs.device}{threads}, torch {known['torch']}."


def review8(outcome: Outcome, costs: Costs) -> Table:
    """Table 8 of the review thread, with the published numbers beside in the paper profile.

    Another machine has other times; what can be compared is each system's speed in those of AnomalyCLIP.
    """
    measured = {it.system: it for it in costs.systems}
    published = published_costs()
    with_published = costs.profile == PAPER_PROFILE
    ours = {system: _speeds(measured.get(system)) for system in published}
    rows = []
    for system in published:
        sides = [_relative(ours, system, _three_digits)]
        if with_published:
            sides.append(_relative(published, system, _as_printed))
        cells = [text for column in zip(*sides, strict=True) for text in column]
        rows.append(Row((outcome.title(system), *cells), ()))
    titles = ("images a second", "in those of AnomalyCLIP", "minutes an epoch")
    header = [
        title + side
        for title in titles
        for side in ((", measured", ", published§") if with_published else ("",))
    ]
    lines = [
        "A system that was not measured has no numbers; AnomalyCLIP without DPAM is a variant of `appendix`.",
        f"An epoch on {costs.auxiliary}; ours has its share of the one tower pass that serves all epochs.",
        _machine(costs),
    ]
    if with_published:
        lines.append(f"§ the authors in the public review thread, on an {_REVIEW_GPU}.")
    section = Section(("Method", *header), tuple(rows), text_columns=1)
    part = outcome.only(list(published))
    return Table("review8", "Review thread, Table 8. Cost", part, (section,), tuple(lines))


_Speeds = tuple[float | None, float | None]


def _speeds(cost: SystemCost | None) -> _Speeds:
    """Images a second, and minutes of an epoch."""
    if cost is None:
        return None, None
    minutes = cost.training_s / cost.epochs / 60 if cost.training_s and cost.epochs else None
    return 1000 / cost.image_ms, minutes


def _relative(
    speeds: dict[System, _Speeds], system: System, show: Callable[[float | None], str]
) -> tuple[str, str, str]:
    """Images a second, these in those of AnomalyCLIP, and minutes of an epoch."""
    rate, minutes = speeds[system]
    usual, _ = speeds[System("anomalyclip")]
    share = None if rate is None or usual is None else rate / usual
    return show(rate), _three_digits(share), show(minutes)


def _as_printed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:g}"


def draw_cost(outcome: Outcome, costs: Costs, path: Path) -> None:
    """Accuracy over milliseconds of an image, one marker a system; `.svg` or `.png`.

    A row of panels for each division of data sets that is averaged.
    """
    part = outcome.only([it.system for it in costs.systems])
    divisions = part.divisions
    with canvas(path, (9, 1 + 3.4 * len(divisions)), part) as figure:
        rows = figure.subplots(len(divisions), len(_PLOTTED), squeeze=False)
        for (division, names), row in zip(divisions.items(), rows, strict=True):
            for axes, metric in zip(row, _PLOTTED, strict=True):
                _draw(axes, part, costs, metric, names)
                axes.set_ylabel(f"{division.capitalize()}: {METRIC_TITLES[metric]} (%)")
        for axes in rows[-1]:
            axes.set_xlabel(f"ms an image, tower and head ({costs.device})")
        handles = rows[0][0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=6, frameon=False)


def _draw(axes: Any, part: Outcome, costs: Costs, metric: str, names: Sequence[str]) -> None:
    for index, cost in enumerate(costs.systems):
        value = part.means[cost.system].over_datasets(names, metric).value
        axes.plot(
            [] if value is None else [cost.image_ms],
            [] if value is None else [100 * value],
            linestyle="none",
            marker=MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],  # no pair comes twice
            color=COLOURS[index % len(COLOURS)],
            markersize=6,
            label=cost.label,
        )
    axes.set_xlim(left=0)
    axes.grid(**GRID)
