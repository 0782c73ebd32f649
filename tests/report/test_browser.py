"""The pages in headless Chromium, opened from disk: pictures, hands, keys, no errors."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from bids_sr.report.group import write_group
from bids_sr.report.index import Picture, write_index
from bids_sr.report.participant import write_participant_page

pytest.importorskip("selenium")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="Chromium and chromedriver are not installed"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",  # WebGL 2 in software, for the 3D page
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",  # no smooth scrolling under the pointer
    "--window-size=1280,1000",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def show(driver):
    """Function: open a page; afterwards its console must be empty."""

    def open_page(path):
        driver.get(path.as_uri())
        return driver

    driver.get_log("browser")
    yield open_page
    assert driver.get_log("browser") == []


def find(scope, selector):
    return scope.find_element("css selector", selector)


def every(scope, selector):
    return scope.find_elements("css selector", selector)


def visible(driver, viewer):
    """Which of a pair is seen at its middle: 'before' or 'after'."""
    return driver.execute_script(
        """
        const stage = arguments[0].querySelector(".stage").getBoundingClientRect();
        const hit = document.elementsFromPoint(stage.left + stage.width / 2,
                                               stage.top + stage.height / 2)
            .find((element) => element.matches(".layer"));
        return hit.classList.contains("after") ? "after" : "before";
        """,
        viewer,
    )


@pytest.fixture
def page(put_record, tmp_path, card):
    """A participant's page with two pairs and a single picture, of plain colours."""
    put_record()
    folder = tmp_path / "out" / "sub-01" / "figures"
    folder.mkdir(parents=True)
    for name, colour in (("a", "navy"), ("b", "maroon"), ("c", "black")):
        Image.new("RGB", (900, 500), colour).save(folder / f"{name}.png")
    texts = dict.fromkeys(("section", "title", "alt", "caption"), "text")
    pair = Picture(kind="compare", width=900, height=500, before="a.png", after="b.png", **texts)
    single = Picture(kind="image", width=900, height=500, image="c.png", **texts)
    write_index(
        folder / "sub-01_res-x2_desc-index_dwi.json", [pair, pair, single], card().to_dict()
    )
    return write_participant_page(tmp_path / "out", "01")


@pytest.fixture
def viewer(page, show):
    """The first pair of a participant's page, in view."""
    driver = show(page)
    figure = find(driver, ".viewer[data-kind=compare]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", figure)
    return driver, figure


@pytest.fixture
def full(output, put_curves, judged):
    """The page of a run with everything: pictures, 3D, curves, lights, self-check, gradients."""
    out = output(**judged)
    put_curves()
    volumes = 17
    stem = out / "sub-01" / "dwi" / "sub-01_res-x2_desc-sr_dwi"
    stem.with_suffix(".bval").write_text("0 " + "1000 " * (volumes - 1))
    table = [["0"] + [str(float(axis == row)) for axis in range(volumes - 1)] for row in range(3)]
    for column in range(4, volumes):
        table[0][column] = "1"
    stem.with_suffix(".bvec").write_text("\n".join(" ".join(row) for row in table))
    return write_participant_page(out, "01")


def test_every_picture_loads(full, show):
    driver = show(full)
    sizes = driver.execute_script("return [...document.images].map((i) => i.naturalWidth)")
    assert len(sizes) == 14
    assert all(sizes)


def test_every_control_can_be_used(full, show):
    driver = show(full)
    driver.execute_script(
        """
        for (const one of document.querySelectorAll("details")) one.open = true;
        for (const one of document.querySelectorAll("button:not(.copy)")) {
            one.focus();
            one.click();
            const dialog = document.querySelector("dialog[open]");
            if (dialog) dialog.close();
        }
        for (const one of document.querySelectorAll("input[type=range]")) {
            one.value = 40;
            one.dispatchEvent(new Event("input"));
        }
        """
    )
    assert len(every(driver, "svg.heat")) == 9
    assert all(figure.rect["height"] > 50 for figure in every(driver, ".charted"))


@pytest.fixture
def together(full, show):
    """The linked viewer, in view."""
    driver = show(full)
    figure = find(driver, ".viewer.linked")
    driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", figure)
    return driver, figure


def shown_image(driver, figure):
    """File name and place of the picture that is seen in the linked viewer."""
    return driver.execute_script(
        """
        const image = arguments[0].querySelector(".pair.shown .before img");
        const box = image.getBoundingClientRect();
        return [image.src.split("_desc-")[1], box.left, box.top, box.width];
        """,
        figure,
    )


def test_tabs_keep_slice_zoom_wipe_and_flicker(together):
    driver, figure = together
    tabs = every(figure, "[role=tab]")
    assert [tab.text for tab in tabs] == ["b = 0", "b = 1000 s/mm²", "FA", "Colour FA"]
    every(figure, "[data-place]")[2].click()
    find(figure, ".zoom-in").click()
    slider = find(figure, ".wipe input")
    driver.execute_script(
        "arguments[0].value = 30; arguments[0].dispatchEvent(new Event('input'))", slider
    )
    first, *place = shown_image(driver, figure)
    tabs[2].click()
    second, *same = shown_image(driver, figure)
    assert (first, second) == ("b0sinc_dwi.png", "fainput_dwi.png")
    assert same == place
    assert slider.get_attribute("value") == "30"
    assert find(figure, ".factor").text == "1.5\N{MULTIPLICATION SIGN}"
    assert find(figure, ".show-before").text == "fit on the input"
    assert "0 is black" in find(figure, "figcaption").text
    find(figure, ".flicker").click()
    tabs[0].click()
    assert find(figure, ".flicker").get_attribute("aria-pressed") == "true"


def test_tabs_and_slices_by_keyboard(together):
    from selenium.webdriver.common.keys import Keys

    driver, figure = together
    tabs = every(figure, "[role=tab]")
    tabs[0].send_keys(Keys.ARROW_LEFT)
    assert tabs[-1].get_attribute("aria-selected") == "true"
    stage = find(figure, ".stage")
    driver.execute_script("arguments[0].focus()", stage)
    stage.send_keys("ts")
    assert tabs[0].get_attribute("aria-selected") == "true"
    assert every(figure, "[data-place]")[1].get_attribute("aria-pressed") == "true"


def test_a_slice_and_the_detail_fill_the_stage(together):
    driver, figure = together
    widths = [shown_image(driver, figure)[3]]
    for button in (every(figure, "[data-place]")[1], every(figure, "[data-place]")[-1]):
        button.click()
        widths.append(shown_image(driver, figure)[3])
    assert widths[0] < widths[1] <= widths[2]  # the detail may be the whole of a small slice


def test_meaning_of_a_light_by_pointer_and_keys(full, show):
    from selenium.webdriver.common.keys import Keys

    driver = show(full)
    button = find(driver, "button.light")
    tip = driver.find_element("id", button.get_attribute("aria-describedby"))
    assert not tip.is_displayed()
    driver.execute_script("arguments[0].focus()", button)
    assert tip.is_displayed() and tip.text
    button.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()
    button.click()
    assert tip.is_displayed()


def test_heat_map_tells_the_cell(full, show):
    from selenium.webdriver.common.keys import Keys

    driver = show(full)
    heat = find(driver, "svg.heat")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", heat)
    heat.send_keys(Keys.ARROW_DOWN * 3 + Keys.ARROW_RIGHT * 5)
    told = heat.find_element("xpath", "..").find_element("css selector", ".readout")
    assert told.text == "volume 3, slice 5: 4 %"
    driver.execute_script("arguments[0].blur()", heat)
    assert told.text == ""


def test_3d_page_renders(full, show):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = show(full)
    driver.execute_script("arguments[0].click()", find(driver, ".threed a"))
    wait = WebDriverWait(driver, 60, 0.1)
    wait.until(lambda d: every(d, "body[data-ready]"))
    assert not find(driver, "#trouble").is_displayed()
    labels = [button.text for button in every(driver, "#volumes button")]
    assert labels == ["Acquired", "Super-resolved", "FA, input", "FA, output"]
    # every control; afterwards the canvas holds a picture, not one colour
    for button in every(driver, ".controls button"):
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
    for box in every(driver, ".controls input[type=checkbox]"):
        box.click()
    every(driver, "#views button")[1].click()
    shades = driver.execute_async_script(
        """
        const done = arguments[0], canvas = document.getElementById("gl");
        requestAnimationFrame(() => {
            const copy = document.createElement("canvas");
            copy.width = copy.height = 64;
            const pen = copy.getContext("2d");
            pen.drawImage(canvas, 0, 0, 64, 64);
            done(new Set(pen.getImageData(0, 0, 64, 64).data).size);
        });
        """
    )
    assert shades > 10
    assert "mm" in find(driver, "#told").text


def test_page_is_not_wider_than_the_window(page, show):
    pages = [page, write_group(page.parent)[1]]
    for width in (400, 800, 1280):
        for path in pages:
            driver = show(path)
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
            )
            room = driver.execute_script("return document.documentElement.scrollWidth")
            driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            assert room <= width


def test_click_and_buttons_swap(viewer):
    driver, figure = viewer
    assert visible(driver, figure) == "before"
    find(figure, ".stage").click()
    assert visible(driver, figure) == "after"
    assert find(figure, ".show-after").get_attribute("aria-pressed") == "true"
    find(figure, ".show-before").click()
    assert visible(driver, figure) == "before"
    assert find(figure, ".after").get_attribute("aria-hidden") == "true"


def test_flicker_runs_and_stops(viewer):
    from selenium.webdriver.support.ui import WebDriverWait

    driver, figure = viewer
    button = find(figure, ".flicker")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for state in ("before", "after", "before"):
        WebDriverWait(driver, 20, 0.05).until(lambda d, s=state: visible(d, figure) == s)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    seen = driver.execute_async_script(
        """
        const done = arguments[1], slider = arguments[0].querySelector("input"), seen = new Set();
        const watch = setInterval(() => seen.add(slider.value), 50);
        setTimeout(() => { clearInterval(watch); done([...seen]); }, 1500);
        """,
        figure,
    )
    assert len(seen) == 1


def test_only_one_pair_flickers(viewer):
    driver, figure = viewer
    other = every(driver, ".viewer[data-kind=compare]")[1]
    find(figure, ".flicker").click()
    driver.execute_script("arguments[0].click()", find(other, ".flicker"))
    assert find(figure, ".flicker").get_attribute("aria-pressed") == "false"
    assert find(other, ".flicker").get_attribute("aria-pressed") == "true"


def test_both_pictures_lie_on_each_other(viewer):
    driver, figure = viewer
    boxes = driver.execute_script(
        """
        const figure = arguments[0];
        figure.querySelector(".zoom-in").click();
        return [...figure.querySelectorAll(".layer")].map((layer) => {
            const box = layer.getBoundingClientRect();
            return [box.left, box.top, box.width, box.height];
        });
        """,
        figure,
    )
    assert len(boxes) == 2
    assert boxes[0] == boxes[1]


@pytest.mark.parametrize("zoomed", [0, 2])
def test_wipe_shows_both_sides_of_the_edge(viewer, zoomed):
    driver, figure = viewer
    for _ in range(zoomed):
        find(figure, ".zoom-in").click()
    sides = driver.execute_script(
        """
        const slider = arguments[0].querySelector(".wipe input");
        slider.value = 30;
        slider.dispatchEvent(new Event("input"));
        const box = arguments[0].querySelector(".stage").getBoundingClientRect();
        return [0.25, 0.35].map((share) => document.elementsFromPoint(
            box.left + share * box.width, box.top + box.height / 2)
            .find((element) => element.matches(".layer")).className);
        """,
        figure,
    )
    assert sides == ["layer after", "layer before"]


def test_keyboard_alone_is_enough(viewer):
    from selenium.webdriver.common.keys import Keys

    driver, figure = viewer
    stage = find(figure, ".stage")
    driver.execute_script("arguments[0].focus()", stage)
    stage.send_keys(" ")
    assert visible(driver, figure) == "after"
    stage.send_keys("++")
    assert find(figure, ".factor").text == "2.3\N{MULTIPLICATION SIGN}"
    before = driver.execute_script("return arguments[0].style.getPropertyValue('--x')", stage)
    stage.send_keys(Keys.ARROW_RIGHT)
    after = driver.execute_script("return arguments[0].style.getPropertyValue('--x')", stage)
    assert float(after[:-2]) == pytest.approx(float(before[:-2]) - 40)
    stage.send_keys("0")
    assert find(figure, ".factor").text == "1\N{MULTIPLICATION SIGN}"
    find(figure, ".wipe input").send_keys(Keys.HOME)
    assert visible(driver, figure) == "before"


def test_full_window_and_back(viewer):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    driver, figure = viewer
    order = "return [...document.querySelectorAll('main .viewer')].map((v) => v.id)"
    ids = driver.execute_script(order)
    find(figure, ".enlarge").click()
    assert find(driver, "dialog[open] .viewer").get_attribute("id") == ids[0]
    box = find(figure, ".stage").rect
    assert box["width"] > 1100
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not every(driver, "dialog[open]")
    WebDriverWait(driver, 10, 0.05).until(lambda d: d.execute_script(order) == ids)


def test_without_scripts_both_pictures_are_seen(page, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(page.as_uri())
        pair = every(driver, ".viewer[data-kind=compare] .layer")[:2]
        boxes = [image.rect for image in pair]
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        driver.get_log("browser")
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"] > boxes[0]["y"] + 100


def test_without_scripts_linked_pictures_and_charts_are_seen(full, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(full.as_uri())
        shown = [image.rect["height"] > 50 for image in every(driver, ".linked img")]
        captions = [text.is_displayed() for text in every(driver, ".linked .caption")]
        heights = [svg.rect["height"] for svg in every(driver, ".charted svg")]
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        driver.get_log("browser")
    assert len(shown) == 8 and all(shown)
    assert len(captions) == 4 and all(captions)
    assert min(heights) > 20


def test_nothing_hangs_over_on_a_telephone(full, show):
    driver = show(full)
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        room = driver.execute_script(
            """
            document.querySelector("button.light").focus();
            return document.documentElement.scrollWidth;
            """
        )
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert room <= 380


def test_methods_can_be_copied(page, show):
    driver = show(page)
    driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    button = find(driver, "button.copy")
    driver.execute_script("arguments[0].scrollIntoView()", button)
    button.click()
    text = driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))"
    )
    assert text.startswith("## Super-resolution of diffusion MRI")
    assert find(driver, ".copied").text == "Copied."


def test_hostile_texts_run_nothing(put_record, tmp_path, show, hostile):
    put_record(run=hostile, model=hostile, notes=hostile, **{hostile: hostile})
    errors = [{"run": hostile, "message": hostile}]
    out = tmp_path / "out"
    for path in (write_participant_page(out, "01", errors=errors), write_group(out)[1]):
        driver = show(path)
        assert driver.execute_script("return window.hacked") is None
        assert "window.hacked=1" in find(driver, "main").text


def test_scripts_that_slip_in_are_refused(page, driver):
    text = page.read_text().replace("</main>", "<script>window.hacked = 1</script></main>")
    page.write_text(text)
    driver.get(page.as_uri())
    assert driver.execute_script("return window.hacked") is None
    assert any("Content Security Policy" in entry["message"] for entry in driver.get_log("browser"))


def test_light_and_dark(page, show):
    driver = show(page)
    colours = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        style = "return getComputedStyle(document.body)"
        colours.append(
            [driver.execute_script(f"{style}.{p}") for p in ("color", "backgroundColor")]
        )
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    (ink, paper), (dark_ink, dark_paper) = ([sum(numbers(c)) for c in pair] for pair in colours)
    assert paper - ink > 500
    assert dark_ink - dark_paper > 500


def numbers(colour):
    return [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def test_group_table_sorts_and_filters(put_record, tmp_path, show):
    for label, angle in (("01", 10.5), ("02", 9.0), ("03", None), ("10", 2.0)):
        put_record(f"sub-{label}_res-x2", run=f"sub-{label}", v1_angle_median_deg=angle)
    driver = show(write_group(tmp_path / "out")[1])

    def order():
        return [row.get_attribute("data-run")[4:6] for row in every(driver, "#table tbody tr")]

    head = next(h for h in every(driver, "#table th button") if h.text.startswith("Turn"))
    driver.execute_script("arguments[0].scrollIntoView(); arguments[0].click()", head)
    assert order() == ["10", "02", "01", "03"]  # as numbers; what is not known comes last
    head.click()
    assert order() == ["01", "02", "10", "03"]
    assert head.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    find(driver, "#filter").send_keys("sub-1")
    shown = [row for row in every(driver, "#table tbody tr") if row.is_displayed()]
    assert len(shown) == 1
    assert find(driver, "#count").text == "1 of 4"


def test_pointing_at_a_run_marks_it_everywhere(put_record, tmp_path, show):
    for label in ("01", "02"):
        put_record(f"sub-{label}_res-x2", run=f"sub-{label}")
    driver = show(write_group(tmp_path / "out")[1])
    marked = driver.execute_script(
        """
        document.querySelector("circle[data-run='sub-02_res-x2']")
            .dispatchEvent(new PointerEvent("pointerenter"));
        return [...document.querySelectorAll(".marked")].map((part) => part.dataset.run);
        """
    )
    assert len(marked) > 5
    assert set(marked) == {"sub-02_res-x2"}


def test_page_of_failures_alone(tmp_path, show):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sub-03_error.json").write_text(json.dumps({"message": "no bvec"}))
    assert "no bvec" in find(show(write_participant_page(tmp_path, "03")), "main").text
    assert "no bvec" in find(show(write_group(tmp_path)[1]), "main").text
