"""The page in a browser: sorting, filtering, opening a cell, a phone, a keyboard; no error, no network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CELL = "#/subset/btad/01/anomalyclip%40111"


@dataclass
class Visit:
    """An open page, and what it complained about or asked for."""

    page: "Page"
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, route: str) -> None:
        self.page.goto(self.address + route)
        self.shown(route)

    def shown(self, route: str) -> None:
        self.page.wait_for_function("route => document.body.dataset.shown === route", arg=route)

    def column(self, table: str, column: int) -> list[str]:
        rows = self.page.locator(f"{table} tbody tr:visible")
        return [rows.nth(at).locator("th, td").nth(column).inner_text() for at in range(rows.count())]


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk", "phone"])
def visit(request: pytest.FixtureRequest, browser: "Browser", report: Path) -> Iterator[Visit]:
    """Whatever a test does, there must be no complaint and no request beyond the file itself."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    made = Visit(page, (report / "report.html").as_uri())
    page.on("console", lambda message: made.complaints.append(message.text))
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("request", lambda it: made.requests.append(it.url))
    made.go("")
    yield made
    assert made.complaints == []
    outside = [url for url in made.requests if not url.startswith(("data:", "blob:", made.address))]
    assert outside == []
    context.close()


def test_tables_are_sorted_by_any_column_and_averages_stay_below(visit: Visit) -> None:
    visit.go("#/tables")
    table = "#table1-1"
    button = visit.page.locator(f"{table} thead tr:nth-child(2) button").first
    for direction, falling in (("descending", True), ("ascending", False)):
        button.click()
        *numbers, _ = [float(text) for text in visit.column(table, 1)]
        assert numbers == sorted(numbers, reverse=falling)
        assert visit.column(table, 0)[-1] == "Average"
        sorted_by = visit.page.locator(f"{table} th[aria-sort]")
        assert sorted_by.count() == 1
        assert sorted_by.get_attribute("aria-sort") == direction


def test_gaps_stand_below_numbers_in_either_direction(visit: Visit) -> None:
    visit.go("#/subset/endo/colon")
    button = visit.page.locator("[data-page=subset] thead button").nth(1)
    for _ in range(2):
        button.click()
        assert visit.column("[data-page=subset] table", 1)[-1] == "-"


def test_rows_are_filtered_by_their_name(visit: Visit) -> None:
    visit.go("#/tables")
    visit.page.locator("input[data-filter=table1-1]").fill("bt")
    assert visit.column("#table1-1", 0) == ["BTAD C 3", "Average"]
    assert visit.page.locator("output[data-count=table1-1]").inner_text() == "1 of 2 rows"


def test_a_number_leads_to_its_images(visit: Visit) -> None:
    visit.go("#/tables")
    visit.page.locator("#table1-1 tbody tr:first-child td a").last.click()
    visit.shown("#/data/btad/image_ap")
    visit.page.locator("[data-page=data] tbody tr:first-child td:nth-of-type(3) a").click()
    page = visit.page
    page.wait_for_selector("canvas[data-state=drawn]")
    assert page.locator("h1:visible").inner_text() == "BTAD: 01"
    assert page.locator("#cell h2").inner_text() == "AnomalyCLIP, seed 1"
    assert "95 % interval" in page.locator("#cell dl").first.inner_text()
    histogram = page.locator("#cell .histogram").get_attribute("aria-label")
    assert str(histogram).startswith("Histogram of image scores")


def test_heatmaps_have_colours_and_photos_have_loaded(visit: Visit) -> None:
    visit.go(CELL)
    page = visit.page
    page.wait_for_function("() => !document.querySelector('canvas[data-state=drawing]')")
    colours = page.evaluate(
        """() => [...document.querySelectorAll("#cell canvas")].map((canvas) => {
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
            return seen.size;
        })"""
    )
    assert len(colours) == 9
    assert min(colours) > 50
    photos = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("#cell img")].map((image) =>
            image.decode().then(() => [image.naturalWidth, image.alt])))"""
    )
    assert {width for width, _ in photos} == {112}
    assert sum("mask" in alt for _, alt in photos) == 6
    assert sum("photo" in alt for _, alt in photos) == 9


def test_pictures_open_large_with_what_belongs_to_them(visit: Visit) -> None:
    visit.go(CELL)
    page = visit.page
    page.wait_for_function("() => !document.querySelector('canvas[data-state=drawing]')")
    small = page.locator("#cell .strip .zoom").last.bounding_box()
    page.locator("#cell .strip .zoom").last.click()
    large = page.locator("#large .large > *")
    assert large.count() == page.locator("#cell .strip").last.locator("img, canvas").count()
    box = large.last.bounding_box()
    assert small is not None
    assert box is not None
    assert box["width"] > 1.4 * small["width"]
    assert page.locator("#large p").inner_text().startswith("score")
    page.keyboard.press("Escape")
    assert not page.locator("#large").is_visible()


def test_figures_have_the_colours_of_the_theme(visit: Visit) -> None:
    visit.go("#/figures")
    seen = set()
    for _ in ("system", "light", "dark"):
        visit.page.locator("#theme").click()
        theme = visit.page.evaluate("document.documentElement.dataset.theme")
        shown = f"[data-page=figures] img[data-theme={theme}][src]"
        visit.page.wait_for_selector(shown)
        visit.page.wait_for_timeout(300)
        corner = visit.page.evaluate(
            """(shown) => {
                const [image, canvas] = [document.querySelector(shown), new OffscreenCanvas(9, 9)];
                const context = canvas.getContext("2d");
                return image.decode().then(() => {
                    context.drawImage(image, 0, 0);
                    return [...context.getImageData(1, 1, 1, 1).data.slice(0, 3)];
                });
            }""",
            shown,
        )
        seen.add((theme, min(corner) > 250))
    assert seen == {("light", True), ("dark", False)}


def test_no_page_scrolls_sideways(visit: Visit) -> None:
    for route in ("#/", "#/tables", "#/figures", "#/data", "#/data/btad/pixel_pro", CELL):
        visit.page.evaluate("route => { location.hash = route; }", route)
        visit.shown(route)
        wide, inner = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner, route


def test_figures_are_drawn_when_their_page_opens(visit: Visit) -> None:
    visit.go("#/figures")
    visit.page.wait_for_function("() => !document.querySelector('[data-page=figures] img:not([src])')")
    widths = visit.page.evaluate(
        """() => Promise.all([...document.querySelectorAll("[data-page=figures] img")].map((image) =>
            image.decode().then(() => image.naturalWidth)))"""
    )
    assert len(widths) == 5
    assert min(widths) > 100


def test_a_failed_cell_says_why(visit: Visit) -> None:
    visit.go("#/subset/endo/colon/clip_ac")
    assert "onerror=alert(2)" in visit.page.locator(".error").inner_text()


def test_a_wrong_route_is_answered(visit: Visit) -> None:
    visit.go("#/subset/btad/99")
    assert "no subset btad/99" in visit.page.locator("[data-page=subset]").inner_text()


def test_the_theme_follows_the_system_until_it_is_switched(visit: Visit) -> None:
    page = visit.page
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    page.locator("#theme").click()
    light = page.evaluate(background)
    page.locator("#theme").click()
    dark = page.evaluate(background)
    assert light != dark
    assert before in (light, dark)
    assert page.locator("#theme").inner_text() == "Theme: dark"


def test_the_keyboard_reaches_the_content_and_sorts(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.locator("#averages thead button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#averages th[aria-sort]").count() == 1
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_every_picture_and_control_has_a_name(visit: Visit) -> None:
    visit.go(CELL)
    nameless = visit.page.evaluate(
        """() => [...document.querySelectorAll("img, canvas, svg[role=img], input, select, button")]
            .filter((it) => !(it.alt || it.ariaLabel || it.textContent.trim() || it.labels?.length))
            .map((it) => it.outerHTML)"""
    )
    assert nameless == []
    assert re.search(r"BTAD: 01 · zsad report", visit.page.title())
