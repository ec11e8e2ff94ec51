"""`zsad verify` and `zsad board`: another person's results, checked, and a static site of accepted runs."""

import json
import sys
from pathlib import Path

import click

from pipeline.errors import printable
from pipeline.params import load_params


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("board"),
    show_default=True,
    help="Folder of the site.",
)
def board(folders: tuple[Path, ...], out: Path) -> None:
    """Make a site of the results in FOLDERS, each of which `zsad verify` must accept.

    index.html opens from disk, without a network; board.json and board.parquet hold the same numbers.

    Example: zsad board results/miniature --out board
    """
    from pipeline.board import verify, write_board
    from pipeline.board.site import entry

    entries = [entry(folder, verify(folder)) for folder in folders]
    for path in write_board(entries, out):
        click.echo(path)


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
