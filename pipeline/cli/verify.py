"""`zsad verify`: is a folder of results what a run of a release would have left?"""

import json
import sys
from pathlib import Path

import click

from pipeline.errors import printable
from pipeline.params import load_params


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--rerun", "number", type=click.IntRange(min=1), help="Run this many random cells again, too.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def verify(params_file: Path, folder: Path, number: int | None, as_json: bool) -> None:
    """Check another person's results of one profile; exit code 1 and each reason where they are not accepted.

    Rows are held against their schema, the catalog and each other, image metrics are computed again from
    scores, tables are drawn again; in a project of the same profile settings, code, builds, weights and
    keys are compared too.

    Example: zsad verify results/miniature --rerun 3
    """
    from pipeline.board import verify as check
    from pipeline.board.rerun import against_project, rerun
    from pipeline.board.verify import CANNOT

    params = load_params(params_file) if number is not None or params_file.is_file() else None
    verdict = against_project(check(folder), params)
    if number is not None and params is not None:
        verdict = rerun(verdict, params, number)
    if as_json:
        found = {"accepted": verdict.accepted, "reasons": verdict.reasons, "unchecked": verdict.unchecked}
        click.echo(json.dumps(found, indent=1))
    else:
        for line in (*verdict.reasons, *(f"not checked: {line}" for line in (*verdict.unchecked, CANNOT))):
            click.echo(printable(line))
        click.echo(f"{folder}: {'accepted' if verdict.accepted else 'not accepted'}")
    if not verdict.accepted:
        sys.exit(1)
