"""The `zsad` group: options that all commands share, and errors as one line."""

import sys
from pathlib import Path

import click

from pipeline.errors import ZsadError, as_message
from pipeline.params import PARAMS_FILE
from pipeline.redaction import printable, redacted


class _Group(click.Group):
    """Shows an error that a user can mend as one line on standard error, with exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ZsadError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise  # click ends quietly where nobody reads on
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
