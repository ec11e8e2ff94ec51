"""`zsad plan`: what the next evaluate would run, what it costs here, and how long on how many workers.

Before anything is prepared, and for a profile by name, it is the price of everything instead. `zsad cost`
measures what each system costs, whatever of it is here.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cells import by_reason
from pipeline.errors import count
from pipeline.params import ComputeParams, Params, load_params
from pipeline.progress import duration

if TYPE_CHECKING:
    from pipeline.execution.run import Run
    from pipeline.plan import Pieces, Rates
    from pipeline.price import Price


class _Workers(click.ParamType):
    """Numbers of workers with commas between them."""

    name = "N[,N...]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers, as they stand."""
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            counts = ()
        if not counts or min(counts) < 1:
            self.fail(f"{value!r} is not a list of positive numbers such as 1,2,8", param, ctx)
        return counts


@click.command()
@click.option("--profile", help="The price of all of a profile, as if nothing of it were here.")
@click.option("--simulate", type=_Workers(), help="Also say how long this many workers would take.")
@click.option("--only", type=click.Choice(["failed"]), help="Only cells that failed last time, and why.")
@click.option("--json", "as_json", is_flag=True, help="The price of everything, as one JSON object.")
@click.pass_obj
def plan(
    params_file: Path, profile: str | None, simulate: tuple[int, ...] | None, only: str | None, as_json: bool
) -> None:
    """List the groups of cells that the next evaluate would run, and what they cost on this machine.

    Before anything is prepared, and with --profile, it is the price of everything instead: download, disk,
    memory, and hours on this machine and on GPUs. That needs no data, no weights and no network. Speed is
    measured with random weights when it is first asked for, and kept in .zsad/calibration.json.

    \b
    Example:
      zsad plan --simulate 1,2,4,8,16
      zsad plan --profile paper
    """  # noqa: D301 - click reads the backspace
    from pipeline.flows.request import composed_params
    from pipeline.shards import is_prepared

    if only and (simulate or profile or as_json):
        raise click.UsageError("--only failed is of the last run: leave out --simulate, --profile and --json")
    params = composed_params(profile) if profile else load_params(params_file)
    prepared = any(is_prepared(params.shards / name) for name in params.every_dataset)
    if profile or as_json or not (prepared or only):
        _show_price(params, simulate or (), as_json=as_json)
    else:
        _show_run(params, simulate or (), only_failures=only is not None)


def _show_run(params: Params, simulate: Sequence[int], *, only_failures: bool) -> None:
    from pipeline.execution.run import last_failures, only_failed, open_run
    from pipeline.execution.store import CellStore

    run = open_run(params, CellStore())
    if only_failures:
        failures = last_failures(run)
        for row in failures:
            click.echo(f"failed: {row.name}: {row.error}")
        run = only_failed(run, failures)
    for task in run.tasks:
        click.echo(f"{task.label}: " + ", ".join(it.cell.key.system.name for it in task.cells))
    missing = sum(len(task.cells) for task in run.tasks)
    click.echo(f"{count(missing, 'cell')} to run in {count(len(run.tasks), 'group')}")
    click.echo(f"{count(len(run.reused), 'cell')} finished, {len(run.refused)} refused")
    if run.tasks and not only_failures:
        _show_cost(run, params.compute, simulate)
    elif simulate:
        click.echo("nothing is left to run; simulated is the whole plan, as if nothing of it were here")
        _show_price(params, simulate, as_json=False)
    for line in by_reason((cell.key.name, reason) for cell, reason in run.refused):
        click.echo(f"refused: {line}", err=True)
    if run.refused:
        sys.exit(1)


def _announce(tower: str) -> None:
    click.echo(f"measuring the tower {tower} with random weights ...", err=True)


def _show_cost(run: "Run", compute: ComputeParams, counts: Sequence[int]) -> None:
    from pipeline.plan import simulate
    from pipeline.speed import costs, rates

    measured = rates(run.tasks, announce=_announce)
    start = max(rate.start for rate in measured.values())
    memory = sum(rate.memory for rate in measured.values())  # of a worker that comes to use every tower
    pieces = partial(costs, run.tasks, measured)
    (here,) = simulate(pieces, [compute.workers], start=start)
    images = sum(task.images_to_score for task in run.tasks)
    work = sum(seconds for _, seconds in pieces(1))
    click.echo(f"{count(images, 'image')} to encode, in {len(run.tasks)} passes over a subset")
    click.echo(
        f"expected: {duration(here.seconds)} on {count(compute.workers, 'worker')}"
        f" ({duration(work)} of work), at most {memory / 2**30:.1f} GiB per worker"
    )
    for tower, rate in sorted(measured.items()):
        click.echo(_describe(tower, rate))
    _show_simulation(pieces, counts, start)


def _show_simulation(pieces: "Pieces", counts: Sequence[int], start: float) -> None:
    from pipeline.plan import simulate

    if counts:
        click.echo("\nworkers  time          speed-up  busy  limited by")
    for item in simulate(pieces, counts, start=start):
        columns = (f"{item.workers:7d}", f"{duration(item.seconds):12s}", f"{item.speedup:7.1f}x")
        click.echo("  ".join([*columns, f"{item.busy:4.0%}", item.limit]))


def _describe(tower: str, rate: "Rates") -> str:
    return (
        f"  {tower}: {1000 * rate.image:.3g} ms per image, {1000 * rate.score:.3g} ms per image and cell"
        f" and {1000 * rate.pixels:.3g} ms for its pixels, {rate.cell + rate.finish:.2g} s per cell,"
        f" {rate.start:.2g} s to start a worker"
    )


def _show_price(params: Params, counts: Sequence[int], *, as_json: bool) -> None:
    from pipeline import catalog
    from pipeline.price import here, measurable, price
    from pipeline.speed import costs, rates

    priced = price(params)
    compute, machine = here(params.compute)
    tasks = tuple(measurable(priced, params, compute))
    measured = rates(tasks, announce=_announce)
    pieces = partial(costs, tasks, measured)
    groups = [seconds for _, seconds in pieces(compute.workers)]
    seconds = priced.here(measured, groups, compute.workers)
    if as_json:
        plain = priced.plain() | {"machine": machine, "seconds_here": round(seconds)}
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for line in _price_lines(priced):
        click.echo(line)
    click.echo(f"  {machine}: {duration(seconds)}, by what was measured here")
    for tower, rate in sorted(measured.items()):
        click.echo(f"  {_describe(tower, rate)}")
    for name, estimate in priced.estimates.items():
        click.echo(f"  {name}: {duration(estimate)}, an estimate")
    for line in catalog.by_step(priced.missing):
        click.echo(f"missing: {line}")
    start = max(rate.start for rate in measured.values())
    _show_simulation(pieces, counts, start)


def _price_lines(priced: "Price") -> Iterator[str]:
    from rich.filesize import decimal

    yield (
        f"{priced.profile}: {len(priced.datasets)} data sets, {count(priced.subsets, 'subset')},"
        f" {priced.images:,} test images"
    )
    yield f"{priced.cells:,} cells in {len(priced.groups)} passes over a subset, {priced.maps:,} maps"
    yield f"{count(priced.trainings, 'training')} of {priced.steps:,} steps in all"
    for tower, cost in priced.towers.items():
        yield (
            f"  tower {tower}: {cost.images:,} images to evaluate, {cost.tuned:,} to tune on,"
            f" {cost.flop / 1e12:.3g} TFLOP each"
        )
        for system, flop in cost.own.items():
            tuned = f", {cost.tuning[system] / 1e15:.3g} to tune" if cost.tuning[system] else ""
            yield f"    beside it {system}: {flop / 1e15:.3g} PFLOP to evaluate{tuned}"
    for note in priced.unknown:
        yield f"  not known: {note}"
    yield "disk"
    yield f"  {decimal(priced.download)} to download, about twice that while it is unpacked"
    yield f"  {decimal(priced.prepared)} prepared, {decimal(priced.features)} of features at a time"
    yield f"memory of a GPU: about {priced.gpu_memory / 2**30:.1f} GiB, by the shapes"
    yield "time, one after the other"


@click.command()
@click.option("--profile", help="Of another profile than that of params.yaml.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="[default: as `compute` in params says]")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="All take turns.")
@click.pass_obj
def cost(params_file: Path, profile: str | None, device: str | None, rounds: int) -> None:
    """Measure what each method and variant costs: parameters, operations, time, memory, tuning.

    That needs no data and no weights. The numbers go to results/PROFILE/cost, with the machine, as a table
    beside accuracy where it was evaluated, and as a picture; no other result changes.

    Example: zsad cost --profile paper --device cuda
    """
    from pipeline.cost import measure
    from pipeline.flows.request import composed_params
    from pipeline.tables.cost import write_cost

    params = composed_params(profile) if profile else load_params(params_file)
    costs = measure(
        params,
        device=device or params.compute.device,
        rounds=rounds,
        announce=lambda line: click.echo(line, err=True),
    )
    click.echo(costs.write(params.results / "cost"))
    for path in write_cost(params, costs):
        click.echo(path)
