"""The report of 69 subsets x 16 methods: how long it takes to build, how large it is, how soon it opens.

    python -m benchmarks report        # one line a number on standard output, about two minutes

Images are those of the miniature profile, prepared anew; scores and maps are made up. A page counts as open
when its content is there: the overview after loading the file, a subset when its heatmaps are drawn. Times
are wall time, medians over rounds.
"""

import argparse
import contextlib
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from playwright.sync_api import Page, sync_playwright

from pipeline.datasets import prepare_dataset
from pipeline.params import Params, parse_params
from pipeline.report import read_sources, write_report
from tests.report.make import write_run

ROOT = Path(__file__).parents[1]
ROUNDS = 5
METHODS = ("clip", "clip_ac", "winclip", "vand", "coop", "anomalyclip")
VARIANTS = ("base", "t1", "t2", "global_only", "local_only", "untrained", "object_aware", "qq", "kk", "extra")
ENTRIES = [(name, "", 111 if name in METHODS[3:] else None) for name in METHODS] + [
    ("anomalyclip", variant, 111) for variant in VARIANTS
]
SUBSET = "#/subset/mvtec/bottle/anomalyclip%40111"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def miniature() -> Params:
    """The committed params, with paths that hold in any folder."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values |= {"data_root": str(ROOT / "samples"), "counts": str(ROOT / values["counts"])}
    return parse_params(values)


def build(params: Params, out: Path) -> float:
    """Seconds from the results on disk to the report on disk."""
    start = time.perf_counter()
    write_report(read_sources(params), out)
    return time.perf_counter() - start


def opening(page: Page, address: str) -> float:
    """Seconds until the overview of a page that was not open before is there."""
    page.goto("about:blank")
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("body[data-shown] #averages")
    return time.perf_counter() - start


def turning(page: Page, address: str) -> float:
    """Seconds from the overview to a subset with its heatmaps."""
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("body[data-shown] #averages")
    start = time.perf_counter()
    page.evaluate("route => { location.hash = route; }", SUBSET)
    page.wait_for_selector("#cell")
    page.wait_for_function("() => !document.querySelector('canvas[data-state=drawing]')")
    return time.perf_counter() - start


def in_browser(measure: Callable[[Page, str], float], address: str) -> float:
    """Median over rounds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        seconds = [measure(browser.new_page(), address) for _ in range(ROUNDS)]
        browser.close()
    return statistics.median(seconds)


def options(_parser: argparse.ArgumentParser) -> None:
    """Nothing may be chosen."""


def run(_arguments: argparse.Namespace) -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        params = miniature()
        with contextlib.redirect_stdout(io.StringIO()):
            for dataset in params.datasets:
                prepare_dataset(params, dataset)
        write_run(params, ENTRIES)
        page = Path("report") / "report.html"
        kept = sum(path.stat().st_size for path in (params.results / "examples").rglob("*.parquet"))
        print(f"examples of {69 * len(ENTRIES)} cells: {kept / 1e6:.1f} MB")
        print(f"report built in {build(params, page.parent):.1f} s")
        print(f"report.html: {page.stat().st_size / 1e6:.1f} MB")
        address = page.resolve().as_uri()
        print(f"overview open after {in_browser(opening, address):.2f} s")
        print(f"subset with its heatmaps after {in_browser(turning, address):.2f} s more")
