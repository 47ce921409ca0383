"""Looks at a report as its readers do: report.py CHROMIUM FILE. Needs playwright and axe-playwright-python.

On a phone and on a desk, in light and dark, by keyboard alone, with axe's rules for accessibility, without network or script.
"""

import os
import shutil
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
# Any more stops would be a sign that something is focusable that should not be.
STOPS_MAX = 60


def visit(browser, file, viewport, scheme):
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=False)
    page = context.new_page()
    requests, said = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(Path(file).resolve().as_uri())
    assert requests == [Path(file).resolve().as_uri()], f"it loads {requests}"
    assert said == [], said
    return page


def nothing_runs_and_all_fits(page, viewport):
    assert "taken" not in page.title().split("<")[0], page.title()
    assert page.locator("script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "it is wider than the screen"
    for drawing in page.locator("svg.drawing").all():
        box = drawing.bounding_box()
        assert box["width"] > viewport["width"] * 0.6 and box["height"] > 100, box


def landmarks(page):
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("figure").count() == 4
    for figure in page.get_by_role("figure").all():
        # The drawing has a name and a description, and a table behind it has a row for each window that is drawn.
        image = figure.get_by_role("img")
        assert image.count() == 1
        described = image.get_attribute("aria-describedby")
        assert page.locator(f"#{described}").inner_text().strip(), described
        hits = figure.locator(".hits path").count()
        assert hits > 0 and figure.locator("tbody tr").count() == hits


def keyboard(page):
    """The skip link first, then contents, then each chart's table, in the order of the page; nothing is a trap."""
    stops = []
    for _ in range(STOPS_MAX):
        page.keyboard.press("Tab")
        stop = page.evaluate("(e => e === document.body ? '' : e.tagName + ' ' + (e.getAttribute('aria-label') || e.textContent).trim().slice(0, 60))(document.activeElement)")
        if not stop:
            break
        stops.append(stop)
        visible = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert visible != "none", f"no focus is shown on {stop}"
    assert stops[0] == "A Skip to the charts", stops
    assert stops[1:5] == ["A Rates", "A Errors", "A Durations", "A Users"], stops
    summaries = [stop for stop in stops if stop.startswith("SUMMARY")]
    assert len(summaries) == 4 and summaries[0] == "SUMMARY Events per second as a table", stops
    positions = page.locator("summary").evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
    assert positions == sorted(positions)

    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    table = page.locator("#rates table")
    assert table.is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Table: Events per second"
    page.keyboard.press("End")
    # Looked at from here: the page's policy lets nothing in it wait (no eval).
    for _ in range(50):
        if page.evaluate("(e => e.scrollTop > 0 || e.scrollHeight <= e.clientHeight)(document.activeElement)"):
            break
        page.wait_for_timeout(100)
    else:
        raise AssertionError("the table does not scroll by keyboard")


def open_tables(page):
    page.locator("details").evaluate_all("all => all.forEach(e => e.open = true)")


def accessible(page):
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def darkness(page, scheme):
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    assert (red + green + blue < 200) == (scheme == "dark"), (scheme, red, green, blue)


def main(chromium, file):
    # Chromium's own sandbox refuses root, as which containers run; the page is ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(chromium), args=arguments)
        for viewport in (PHONE, DESK):
            for scheme in ("light", "dark"):
                page = visit(browser, file, viewport, scheme)
                nothing_runs_and_all_fits(page, viewport)
                darkness(page, scheme)
                landmarks(page)
                keyboard(page)
                open_tables(page)
                nothing_runs_and_all_fits(page, viewport)
                page.context.close()
        for scheme in ("light", "dark"):
            # Axe is a script, which the page's own policy would not let run. One table open: what holds for its cells
            # holds for all, and each costs it time.
            context = browser.new_context(viewport=DESK, color_scheme=scheme, bypass_csp=True)
            page = context.new_page()
            page.goto(Path(file).resolve().as_uri())
            page.locator("summary").last.click()
            accessible(page)
            context.close()
        browser.close()
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
