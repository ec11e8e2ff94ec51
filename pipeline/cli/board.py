"""`zsad board`: a static site of accepted runs."""

from pathlib import Path

import click


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
