"""`zsad plan`: what the next evaluate would run, what it costs here, and how long on how many workers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cells import by_reason
from pipeline.errors import count
from pipeline.params import ComputeParams, load_params

if TYPE_CHECKING:
    from pipeline.execution.run import Run
    from pipeline.plan import Rates


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
@click.option("--simulate", type=_Workers(), help="Also say how long this many workers would take.")
@click.option("--only", type=click.Choice(["failed"]), help="Only cells that failed last time, and why.")
@click.pass_obj
def plan(params_file: Path, simulate: tuple[int, ...] | None, only: str | None) -> None:
    """List the groups of cells that the next evaluate would run, and what they cost on this machine.

    Speed is measured with random weights when it is first asked for, and kept in .zsad/calibration.json.

    Example: zsad plan --simulate 1,2,4,8,16
    """
    from pipeline.execution.run import last_failures, only_failed, open_run
    from pipeline.execution.store import CellStore

    if simulate and only:
        raise click.UsageError("--simulate is of the whole plan: leave out --only")
    params = load_params(params_file)
    run = open_run(params, CellStore())
    if only:
        failures = last_failures(run)
        for row in failures:
            click.echo(f"failed: {row.name}: {row.error}")
        run = only_failed(run, failures)
    for task in run.tasks:
        click.echo(f"{task.label}: " + ", ".join(it.cell.key.system.name for it in task.cells))
    missing = sum(len(task.cells) for task in run.tasks)
    click.echo(f"{count(missing, 'cell')} to run in {count(len(run.tasks), 'group')}")
    click.echo(f"{count(len(run.reused), 'cell')} finished, {len(run.refused)} refused")
    if run.tasks and not only:
        _show_cost(run, params.compute, simulate or ())
    for line in by_reason((cell.key.name, reason) for cell, reason in run.refused):
        click.echo(f"refused: {line}", err=True)
    if run.refused:
        sys.exit(1)


def _show_cost(run: "Run", compute: ComputeParams, counts: Sequence[int]) -> None:
    from pipeline.plan import simulate
    from pipeline.speed import rates

    measured = rates(
        run.tasks, announce=lambda tower: click.echo(f"measuring the tower {tower} ...", err=True)
    )
    start = max(rate.start for rate in measured.values())
    memory = sum(rate.memory for rate in measured.values())  # of a worker that comes to use every tower
    groups = [
        (task.label, measured[task.tower.name].seconds(task.images, len(task.cells))) for task in run.tasks
    ]
    (here,) = simulate(groups, [compute.workers], start=start)
    images, work = sum(task.images for task in run.tasks), sum(seconds for _, seconds in groups)
    click.echo(f"{count(images, 'image')} to encode, in {len(groups)} passes over a subset")
    click.echo(
        f"expected: {_duration(here.seconds)} on {count(compute.workers, 'worker')}"
        f" ({_duration(work)} of work), at most {memory / 2**30:.1f} GiB per worker"
    )
    for tower, rate in sorted(measured.items()):
        click.echo(_describe(tower, rate))
    if counts:
        click.echo("\nworkers  time          speed-up  busy  limited by")
    for item in simulate(groups, counts, start=start):
        columns = (f"{item.workers:7d}", f"{_duration(item.seconds):12s}", f"{item.speedup:7.1f}x")
        click.echo("  ".join([*columns, f"{item.busy:4.0%}", item.limit]))


def _describe(tower: str, rate: "Rates") -> str:
    return (
        f"  {tower}: {1000 * rate.image:.3g} ms per image, {1000 * rate.score:.3g} ms per image and cell,"
        f" {rate.cell:.2g} s per cell, {rate.start:.2g} s to start a worker"
    )


def _duration(seconds: float) -> str:
    """As people say it: `48 s`, `3 min 20 s`, `5 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
