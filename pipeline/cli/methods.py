"""`zsad methods`: which methods there are, built in and from plug-ins."""

import click


@click.command()
def methods() -> None:
    """List every method: its name for params.yaml, what it is called in tables, what it learns and reads.

    \b
    Example:
      zsad methods
    """  # noqa: D301 - click reads the backspace
    from rich.console import Console
    from rich.table import Table

    from pipeline import methods as known
    from pipeline.errors import ParamsError

    table = Table(box=None, pad_edge=False)
    for title in ("Method", "In tables", "Learnt", "Class names", "Tower", "From"):
        table.add_column(title)
    for name in known.names():
        try:
            kind = known.get(name)
        except ParamsError as error:
            click.echo(f"unusable: {error}", err=True)
            continue
        learnt, aware = ("yes" if it else "no" for it in (kind.learnt, kind.class_aware))
        table.add_row(name, kind.title, learnt, aware, kind.parse({}).tower, known.origin(name))
    Console().print(table)
