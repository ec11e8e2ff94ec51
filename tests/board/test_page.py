"""The board in a browser: sorting, filters, from a number to its rows, a phone; no complaint, no request."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pipeline.board import write_board
from pipeline.board.site import Entry
from pipeline.results import write_results

from .make import cells, outcome

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a board of a miniature run and one of the paper's profile."""
    folder = tmp_path_factory.mktemp("board")
    write_results(cells(datasets=["mvtec", "btad", "headct"]), folder / "first")
    write_results(cells("paper", ["mvtec", "btad"]), folder / "second")
    run = {"libraries": {"zsad": "0.1.0"}, "git": None}
    write_board([Entry(name, outcome(folder / name), run) for name in ("first", "second")], folder / "site")
    return (folder / "site" / "index.html").as_uri()


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: "Browser", board: str) -> Iterator["Page"]:
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on(
        "request", lambda it: complaints.append(it.url) if not it.url.startswith((board, "data:")) else None
    )
    made.goto(board)
    yield made
    wide = made.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert (complaints, wide) == ([], 0)
    context.close()


def column(page: "Page", number: int) -> list[str]:
    rows = page.locator("#board tbody tr")
    return [rows.nth(at).locator("th, td").nth(number).inner_text() for at in range(rows.count())]


def test_rows_of_one_profile_and_protocol_are_sorted_by_a_data_set(page: "Page") -> None:
    assert page.locator("#profile").input_value() == "paper"
    assert column(page, 0) == ["CLIP second", "AnomalyCLIP second"]
    page.locator("#protocol").select_option("visa")
    assert column(page, 0) == ["CLIP second", "AnomalyCLIP (visa) second"]
    page.locator("#protocol").select_option("mvtec")
    page.locator("#board thead button", has_text="BTAD").first.click()
    values = [float(text) for text in column(page, [*titles(page)].index("BTAD"))]
    assert values == sorted(values, reverse=True)


def titles(page: "Page") -> list[str]:
    return page.locator("#board thead button").all_inner_texts()


def test_published_numbers_stand_in_columns_of_their_own_beside_the_papers_profile_alone(
    page: "Page",
) -> None:
    assert "MVTec AD, published" in titles(page)
    row = page.locator("#board tbody tr", has_text="CLIP").first
    assert "chosen on the target: unknown" in row.inner_text()
    page.locator("#profile").select_option("miniature")
    assert titles(page) == ["Method", "Mean", "MVTec AD", "BTAD"]
    assert "MINIATURE PROFILE" in page.locator(".mark").first.inner_text()


def test_domains_and_metrics_are_chosen(page: "Page") -> None:
    page.locator("#profile").select_option("miniature")
    page.locator("#metric").select_option("image_ap")
    page.locator("#domain").select_option("medical")
    assert titles(page) == ["Method", "Mean", "HeadCT"]


def test_a_number_opens_its_rows_and_provenance(page: "Page") -> None:
    page.locator("#board tbody td a").first.click()
    page.wait_for_selector("#rows")
    assert "95 % interval" in page.locator(".facts").inner_text()
    assert "docs/protocol.md" in page.locator(".facts").inner_text()
    assert page.locator("#rows tbody tr").count() == 15
    page.locator(".facts a", has_text="clip").first.click()
    page.get_by_role("heading", name="CLIP", exact=True, level=1).wait_for()
    assert "unknown" in page.locator("#published").inner_text()


@pytest.mark.parametrize(
    ("route", "title"),
    [
        ("#/data", "Data sets"),
        ("#/data/headct", "HeadCT"),
        ("#/methods", "Methods"),
        ("#/method/anomalyclip", "AnomalyCLIP"),
        ("#/entries", "Entries"),
        ("#/entry/first", "first"),
        ("#/data/%3Cimg%20src=x%3E", "Not found"),
        ("#/number/99999", "Not found"),
        ("#/%", "Zero-shot anomaly detection: pixel AUROC"),
    ],
)
def test_every_page_opens(page: "Page", board: str, route: str, title: str) -> None:
    page.goto(board + route)
    page.wait_for_function("route => document.body.dataset.shown === route", arg=route)
    assert page.locator("h1").inner_text() == title
