"""The `zsad` command: the group, its common options, errors as one line, and its commands.

A command parses and prints. The work is done by the packages below, which every command imports when it runs,
so that `zsad --help` is quick.
"""

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli import board, datasets, diff, download, methods, plan, project, score, tables
from pipeline.errors import as_message, is_shown, printable, redacted
from pipeline.params import PARAMS_FILE
from pipeline.process import let_go_of_unwritten, open_standard_streams

__all__ = ["main"]

_COMMANDS = (
    project.init,
    datasets.datasets,
    methods.methods,
    download.download,
    plan.plan,
    plan.cost,
    project.serve,
    score.score,
    tables.tables,
    tables.report,
    diff.diff,
    board.verify,
    board.board,
    methods.import_checkpoint,
    project.doctor,
)


class _Group(click.Group):
    """Shows an error that a user can fix as one line on standard error, with exit code 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        open_standard_streams()
        try:
            return super().main(*args, **extra)
        except Exception as error:
            if isinstance(error, BrokenPipeError) or not is_shown(error):
                raise  # click ends quietly where nobody reads on
            let_go_of_unwritten()
            click.echo(f"error: {printable(redacted(as_message(error)))}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(package_name="zsad", prog_name="zsad")
@click.option(
    "--params",
    type=click.Path(path_type=Path),
    default=PARAMS_FILE,
    show_default=True,
    help="What to run: profile, methods, data sets.",
)
@click.pass_context
def main(ctx: click.Context, params: Path) -> None:
    """Regenerate, extend and check the zero-shot anomaly detection benchmark of AnomalyCLIP."""
    ctx.obj = params


for _command in _COMMANDS:
    main.add_command(_command)
