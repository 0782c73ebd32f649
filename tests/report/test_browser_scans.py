"""Reports of real scans in headless Chromium: every control, every picture, a silent console.

`make browser-test DATA=FOLDER` makes the reports and says where they are.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPORTS = os.environ.get("BIDS_SR_REPORTS", "")
ALL = sorted(Path(REPORTS).resolve().glob("*.html")) if REPORTS else []
RUNS = {path: len(list(path.parent.glob(f"{path.stem}/**/*_quality.json"))) for path in ALL}
PAGES = [path for path, runs in RUNS.items() if runs]
WIDTHS = (1400, 800)
pytestmark = pytest.mark.skipif(not PAGES, reason="BIDS_SR_REPORTS names no folder of reports")
NAMED = {
    "sub-prisma01": ("slice 46", "saturated line"),
    "sub-canon01": ("low-pass filtered", "axis i"),
}
"""Flaws of scans, which their pages must tell."""
LIGHT_MB = 12
"""Of a run, its volumes in 3D included."""


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request):
    return request.param


@pytest.fixture
def opened(page, show):
    """The page with all its folds open and all lazy pictures asked for."""
    driver = show(page)
    driver.execute_script(
        """
        for (const one of document.querySelectorAll("details")) one.open = true;
        for (const one of document.images) one.loading = "eager";
        """
    )
    return driver


def test_every_picture_loads(opened):
    widths = opened.execute_async_script(
        """
        const done = arguments[0], images = [...document.images];
        Promise.allSettled(images.map((image) => image.decode()))
            .then(() => done(images.map((image) => image.naturalWidth)));
        """
    )
    assert len(widths) > 10
    assert all(widths)


def test_every_control_can_be_used(opened):
    # the dialog takes its picture along: it is closed before the next control is tried
    used = opened.execute_async_script(
        """
        const done = arguments[0], controls = [...document.querySelectorAll(
            "button:not(.copy), [role=tab], input[type=range], svg.heat")];
        const rest = () => new Promise((resolve) => requestAnimationFrame(resolve));
        (async () => {
            for (const one of controls) {
                one.focus();
                if (one.matches("input")) {
                    one.value = 40;
                    one.dispatchEvent(new Event("input", {bubbles: true}));
                } else if (one.matches("svg")) {
                    for (const key of ["ArrowDown", "ArrowRight"])
                        one.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
                } else one.click();
                document.querySelector("dialog[open]")?.close();
                await rest();
            }
            done(controls.length);
        })();
        """
    )
    assert used > 30


def test_the_flaws_of_a_scan_are_named(opened, page):
    text = opened.execute_script("return document.body.innerText")
    for words in NAMED.get(page.stem, ()):
        assert words in text
    # and may be seen: the residual by volume and slice, the spectra along both axes
    assert opened.find_elements("css selector", "svg.heat")
    assert "spectr" in text.lower()


def test_the_volumes_are_shown_in_3d(opened):
    from selenium.webdriver.support.ui import WebDriverWait

    links = opened.find_elements("css selector", ".threed a")
    assert links
    for address in [link.get_attribute("href") for link in links]:
        opened.get(address)
        WebDriverWait(opened, 3600).until(
            lambda d: d.find_elements("css selector", "body[data-ready]")
        )
        assert not opened.find_element("id", "trouble").is_displayed()


def test_the_page_is_light(page):
    figures = (page.parent / page.stem / "figures").rglob("*")
    size = page.stat().st_size + sum(path.stat().st_size for path in figures)
    assert size < LIGHT_MB * 1e6 * RUNS[page]


@pytest.fixture(params=WIDTHS)
def width(request, driver):
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield request.param
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_page_fits_its_window(path, width, show):
    """Those of participants without a finished run and of the group, too."""
    driver = show(path)
    height, room = driver.execute_script(
        "const all = document.documentElement; return [all.scrollHeight, all.scrollWidth]"
    )
    assert room <= width
    if RUNS[path] and width == max(WIDTHS):
        assert height <= 6000 * RUNS[path]
    if not RUNS[path]:
        assert len(driver.find_element("css selector", "main").text) > 100


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_screenshots(path, width, show):
    """Left beside the pages, to be looked at."""
    driver = show(path)
    folder = path.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    height = driver.execute_script("return document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, height, 850)):
        driver.execute_script("scrollTo(0, arguments[0])", top)
        assert driver.save_screenshot(str(folder / f"{path.stem}_{width}_{number:02}.png"))
