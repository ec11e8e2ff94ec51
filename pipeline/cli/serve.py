"""`zsad serve`: runs on a schedule and on demand, with pages to watch them."""

import click


@click.command()
@click.option("--port", default=4200, show_default=True, type=click.IntRange(1, 65535), help="Of the pages.")
@click.option(
    "--cron", default="0 2 * * *", show_default=True, help="When the nightly run starts, in local time."
)
def serve(port: int, cron: str) -> None:
    """Run the benchmark every night and on demand, and show it in Prefect's pages on this machine.

    Example: zsad serve --cron "30 1 * * 1-5"
    """
    from pipeline.flows.request import recover
    from pipeline.flows.serving import Service
    from pipeline.flows.serving import serve as keep_serving

    recover()
    keep_serving(Service(port, cron), click.echo)
