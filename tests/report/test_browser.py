"""The pages in headless Chromium, opened from disk: pictures, hands, keys, no errors."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from bids_sr.report.group import write_group
from bids_sr.report.index import Picture, write_index
from bids_sr.report.participant import write_participant_page


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


def test_every_picture_loads(full, show):
    driver = show(full)
    sizes = driver.execute_script("return [...document.images].map((i) => i.naturalWidth)")
    assert len(sizes) == 15
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
    assert [tab.text for tab in tabs] == ["b = 0", "b = 1000 s/mm²", "FA", "Colour FA", "MD"]
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
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    heat = find(driver, "svg.heat")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", heat)
    heat.send_keys(Keys.ARROW_DOWN * 3 + Keys.ARROW_RIGHT * 5)
    told = heat.find_element("xpath", "..").find_element("css selector", ".readout")
    assert told.text == "volume 3, slice 5: 4 %"
    driver.execute_script("arguments[0].blur()", heat)
    assert told.text == ""


def shades(element):
    """How many colours an element shows."""
    picture = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")
    return len(np.unique(np.asarray(picture.resize((64, 64))).reshape(-1, 3), axis=0))


def test_3d_page_renders(full, show):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = show(full)
    driver.execute_script("arguments[0].click()", find(driver, ".threed a"))
    wait = WebDriverWait(driver, 3600, 0.1)
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
    wait.until(lambda d: shades(find(d, "#gl")) > 10)
    assert "mm" in find(driver, "#told").text


def test_3d_page_says_that_its_viewer_was_not_copied_along(full, driver):
    (viewer,) = (full.parent / "figures").glob("niivue-*.js")
    viewer.unlink()
    (page,) = full.parent.glob("sub-01/figures/*_desc-3d_dwi.html")
    driver.get(page.as_uri())
    assert find(driver, "#lost").is_displayed() and viewer.name in find(driver, "#lost").text
    assert not find(driver, "#trouble").is_displayed()
    assert all(viewer.name in entry["message"] for entry in driver.get_log("browser"))


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
    assert visible(driver, figure) == "after"  # super-resolved before any click
    find(figure, ".stage").click()
    assert visible(driver, figure) == "before"
    assert find(figure, ".show-before").get_attribute("aria-pressed") == "true"
    assert find(figure, ".after").get_attribute("aria-hidden") == "true"
    find(figure, ".show-after").click()
    assert visible(driver, figure) == "after"
    assert find(figure, ".before").get_attribute("aria-hidden") == "true"


def test_flicker_runs_and_stops(viewer):
    from selenium.webdriver.support.ui import WebDriverWait

    driver, figure = viewer
    driver.execute_script(
        """
        const start = window.setInterval, stop = window.clearInterval;
        window.beats = new Set();
        window.setInterval = (...given) => {
            const beat = start(...given); window.beats.add(beat); return beat; };
        window.clearInterval = (beat) => { window.beats.delete(beat); stop(beat); };
        """
    )
    button = find(figure, ".flicker")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for state in ("after", "before", "after"):
        WebDriverWait(driver, 3600, 0.05).until(lambda d, s=state: visible(d, figure) == s)
    assert driver.execute_script("return window.beats.size") == 1
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert driver.execute_script("return window.beats.size") == 0


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
    assert visible(driver, figure) == "before"
    stage.send_keys("++")
    assert find(figure, ".factor").text == "2.3\N{MULTIPLICATION SIGN}"
    before = driver.execute_script("return arguments[0].style.getPropertyValue('--x')", stage)
    stage.send_keys(Keys.ARROW_RIGHT)
    after = driver.execute_script("return arguments[0].style.getPropertyValue('--x')", stage)
    assert float(after[:-2]) == pytest.approx(float(before[:-2]) - 40)
    stage.send_keys("0")
    assert find(figure, ".factor").text == "1\N{MULTIPLICATION SIGN}"
    find(figure, ".wipe input").send_keys(Keys.END)
    assert visible(driver, figure) == "after"


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
    WebDriverWait(driver, 3600, 0.05).until(lambda d: d.execute_script(order) == ids)


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
        which = [text.text for text in every(driver, ".linked .which")]
        plates = [plate.is_displayed() for plate in every(driver, ".plate")]
        every(driver, ".side > label")[2].click()
        chosen = [plate.is_displayed() for plate in every(driver, ".plate")]
        for fold in every(driver, "details > summary"):
            fold.click()
        heights = [svg.rect["height"] for svg in every(driver, ".charted svg")]
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        driver.get_log("browser")
    assert len(shown) == 10 and all(shown)
    assert len(captions) == 5 and all(captions)
    assert which[:4] == ["interpolated (sinc)", "super-resolved"] * 2 and all(which)
    assert plates == [True, False, False, False, False]
    assert chosen == [False, False, True, False, False]
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
    find(driver, "#methods summary").click()
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


@pytest.fixture
def window(driver):
    """Function: give the window a width; afterwards it has its own again."""

    def size(width, height=900):
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    yield size
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1400, 800])
def test_the_first_screen_answers(full, show, window, width):
    window(width)
    driver = show(full)
    lines = [line.text for line in every(driver, ".answer p")]
    assert lines[0].startswith("Helped on this scan:") and "dB" in lines[0]
    picture = find(driver, ".plate img")
    assert picture.rect["y"] < 450
    assert find(driver, ".answer").rect["y"] < 250
    order = ["answer", "side", "cautions", "checks", "images", "metrics", "details"]
    tops = [driver.find_element("id", f"sub-01_res-x2-{name}").rect["y"] for name in order]
    assert tops == sorted(tops)


def test_a_page_is_short_with_its_sections_closed(full, show, window):
    window(1400)
    assert show(full).execute_script("return document.documentElement.scrollHeight") <= 6000


HIDDEN = """
return [...document.querySelectorAll("main *")].filter((one) =>
    one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible" &&
    !one.closest(".stage, .skip")).map((one) => `${one.tagName}.${one.className}`);
"""


@pytest.mark.parametrize("width", [1400, 800])
def test_nothing_is_cut_off(full, show, window, width):
    window(width)
    driver = show(full)
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert driver.execute_script(HIDDEN) == []


BROKEN = """
return [...document.querySelectorAll("td")].filter((cell) => {
    if (!cell.textContent.trim() || /\\s/.test(cell.textContent.trim())) return false;
    const text = document.createRange();
    text.selectNodeContents(cell);
    return new Set([...text.getClientRects()].map((line) => Math.round(line.top))).size > 1;
}).map((cell) => cell.textContent);
"""


@pytest.mark.parametrize("width", [1400, 800, 600])
def test_no_number_is_broken_in_two(output, judged, show, window, width):
    window(width)
    more = {f"selfcheck_{f}_noise": 0.0123 for f in ("psnr_b0", "psnr_dwi", "ssim_dwi", "fa_mae")}
    more |= {f"selfcheck_left_l2{m}": 0.71 for m in ("", "_linear", "_cubic", "_sinc", "_noise")}
    driver = show(write_participant_page(output(**judged, **more), "01"))
    assert len(every(driver, ".check td")) > 20
    assert driver.execute_script(BROKEN) == []


def test_the_caption_stands_beside_the_first_picture(full, show, window):
    window(1400)
    driver = show(full)
    picture, caption = find(driver, ".plate img").rect, find(driver, ".plate figcaption").rect
    assert caption["x"] >= picture["x"] + picture["width"]
    assert caption["y"] + caption["height"] <= 900


def test_what_is_printed_is_complete(full, show):
    driver = show(full)
    assert len(every(driver, "details:not([open])")) > 5
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        heights = driver.execute_script(
            """
            return [...document.querySelectorAll(".plate img, .linked img, .fold .charted svg")]
                .map((one) => one.getBoundingClientRect().height);
            """
        )
        record = find(driver, ".fold pre").rect["height"]
        named = [one.is_displayed() for one in every(driver, ".linked .which")]
        ends = driver.execute_script(
            """
            const end = (one) => one.getBoundingClientRect().bottom;
            return [...document.querySelectorAll(".linked .stage")].map((stage) =>
                [end(stage), end([...stage.querySelectorAll(".pair")].at(-1))]);
            """
        )
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(heights) > 15 and min(heights) > 20
    assert record > 100
    assert named and all(named)
    assert not any(one.is_displayed() for one in every(driver, ".linked .which"))
    assert ends and all(stage >= last - 1 for stage, last in ends)  # no tab is cut off


def test_the_contents_list_follows(full, show, window):
    window(1400)
    from selenium.webdriver.support.ui import WebDriverWait

    driver = show(full)
    driver.execute_script(
        "document.getElementById('sub-01_res-x2-metrics').scrollIntoView({behavior: 'instant'})"
    )
    WebDriverWait(driver, 3600, 0.05).until(
        lambda d: [one.text for one in every(d, ".contents a[aria-current]")] == ["Metrics"]
    )
    inside = driver.execute_script(
        "return document.querySelector('.contents a[aria-current]').getBoundingClientRect().top"
    )
    assert 0 <= inside < 900


def test_of_many_runs_the_one_in_view_is_listed_with_its_sections(
    put_record, tmp_path, show, window
):
    from selenium.webdriver.support.ui import WebDriverWait

    window(1400)
    for number in range(1, 7):
        put_record(f"sub-01_run-{number}_res-x2", run=f"sub-01_run-{number}")
    driver = show(write_participant_page(tmp_path / "out", "01"))

    def listed():
        shown = [one.text for one in every(driver, ".contents ol ol a") if one.is_displayed()]
        return len(shown), find(driver, ".contents").rect["height"]

    count, height = listed()
    assert 3 < count < 10 and height <= 500
    driver.execute_script("document.getElementById('sub-01_run-4_res-x2-metrics').scrollIntoView()")
    WebDriverWait(driver, 3600, 0.05).until(
        lambda d: "run-4" in (find(d, ".contents a[aria-current]").get_attribute("href"))
    )
    assert listed()[0] == count


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


def group_page(put_record, out, records):
    """Write the records of runs, by label, and the group page; every run gets a page to link to."""
    for label, changes in records.items():
        put_record(f"sub-{label}_res-x2", run=f"sub-{label}", **changes)
        (out / f"sub-{label}.html").write_text("report")
    return write_group(out)[1]


def runs_in(driver):
    """Labels of the rows that are in the page, in order."""
    names = driver.execute_script(
        "return [...document.querySelectorAll('#table tbody tr')].map((row) => row.dataset.run)"
    )
    return [name[4:].split("_")[0] for name in names]


def head_of(driver, label):
    head = next(h for h in every(driver, "#table th button") if h.text.startswith(label))
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", head)
    return head


def in_chooser(driver, kind, text):
    """The button or label of the column chooser, which takes a moment to open."""
    from selenium.webdriver.support.ui import WebDriverWait

    found = WebDriverWait(driver, 3600, 0.05).until(
        lambda d: [e for e in every(d, f"#chooser {kind}") if e.text == text]
    )
    return found[0]


def test_group_table_sorts_and_filters(put_record, tmp_path, show):
    angles = {"01": 10.5, "02": 9.0, "03": None, "10": 2.0, "11": "odd"}
    records = {label: {"v1_angle_median_deg": angle} for label, angle in angles.items()}
    driver = show(group_page(put_record, tmp_path / "out", records))
    assert runs_in(driver) == ["01", "02", "03", "10", "11"]
    head = head_of(driver, "Change of V1")
    head.click()
    assert runs_in(driver) == ["10", "02", "01", "11", "03"]  # numbers, words, what is not known
    head.send_keys("\n")
    assert runs_in(driver) == ["11", "01", "02", "10", "03"]
    assert head.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    find(driver, "#filter").send_keys("sub-1")
    assert runs_in(driver) == ["11", "10"]
    assert find(driver, "#count").text == "2 of 5"
    find(driver, "#reset").click()
    assert len(runs_in(driver)) == 5
    assert find(driver, "#count").text == ""


def test_group_table_is_chosen_by_state(put_record, tmp_path, show):
    out = tmp_path / "out"
    records = {
        "01": {"qc_status": "fail", "qc_reasons": "grid of period 4"},
        "02": {"qc_status": "pass", "model": "other"},
        "03": {"qc_status": "pass", "selfcheck_verdict": "no gain"},
    }
    group_page(put_record, out, records)
    (out / "logs").mkdir()
    (out / "logs" / "sub-04_error.json").write_text('{"message": "no bvec"}')
    driver = show(write_group(out)[1])

    def choose(key, text):
        select = find(driver, f"select[data-key={key}]")
        option = next(o for o in every(select, "option") if o.text.startswith(text))
        option.click()
        return runs_in(driver)

    assert choose("qc_status", "pass (2)") == ["02", "03"]
    assert choose("model", "other") == ["02"]
    assert choose("model", "all") == ["02", "03"]
    assert choose("qc_status", "all") == ["01", "02", "03", "04"]
    assert choose("state", "failed") == ["04"]
    assert choose("state", "all") and choose("selfcheck_verdict", "not known") == ["01", "02", "04"]
    find(driver, "#reset").click()
    find(driver, "#filter").send_keys("PERIOD grid")
    assert runs_in(driver) == ["01"]
    assert find(driver, "#table td.bad").text == "fail"


def test_group_columns_are_chosen(put_record, tmp_path, show):
    driver = show(group_page(put_record, tmp_path / "out", {"01": {"odd": 0.5}}))
    find(driver, "#chooser summary").click()

    def heads():
        return [h.text.split("\n")[0] for h in every(driver, "#table th button")]

    usual = heads()
    box = in_chooser(driver, "label", "odd")
    box.click()
    assert set(heads()) - set(usual) == {"odd"}
    none = in_chooser(driver, "button", "None")
    none.click()
    assert heads() == ["Run"]
    none.send_keys("\ue00c")  # Escape
    assert not find(driver, "#chooser .names").is_displayed()


def test_group_table_prints_like_the_registry(put_record, tmp_path, show):
    from bids_sr.quality.registry import lookup

    values = {
        "wm_fa_median_sr": 0.123456,
        "wm_md_median_sr": 1e-5,
        "negative_eigenvalue_fraction_sr": 0.25,
        "nonfinite_fraction_sr": 1e-9,
        "v1_angle_median_deg": -3.26,
        "dc_nrmse_b1000": 0.0,
    }
    driver = show(group_page(put_record, tmp_path / "out", {"01": values}))
    for key, value in values.items():
        shown = driver.execute_script("return group.text(group.column(arguments[0]), 0)", key)
        assert shown == lookup(key).text(value), key


def test_group_table_is_walked_with_keys(put_record, tmp_path, show):
    records = {f"{number:03}": {} for number in range(300)}
    driver = show(group_page(put_record, tmp_path / "out", records))
    first = find(driver, "#table tbody tr a")
    first.send_keys("\ue015")  # down

    def here():
        return driver.execute_script("return document.activeElement.closest('tr').dataset.run")

    assert here() == "sub-001_res-x2"
    driver.switch_to.active_element.send_keys("\ue010")  # End
    assert here() == "sub-299_res-x2"
    assert every(driver, "#table tr.marked")[0].get_attribute("data-run") == here()
    assert driver.switch_to.active_element.get_attribute("href").endswith("sub-299_res-x2")
    assert len(every(driver, "#table tbody [tabindex='0']")) == 1


def test_pointing_at_a_run_marks_it_everywhere(put_record, tmp_path, show):
    from selenium.webdriver import ActionChains

    records = {"01": {}, "02": {"v1_angle_median_deg": 20.0}}
    driver = show(group_page(put_record, tmp_path / "out", records))
    plot = next(p for p in every(driver, ".plot") if p.text.startswith("Change of V1"))
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    dots = find(plot, ".dots").get_attribute("d").split("M")[2]
    x, y = (float(part) for part in dots.removesuffix("h0").split())
    box = find(plot, "svg").rect
    spot = (round(x * box["width"] / 260), round(y * box["height"] / 230))
    middle = (spot[0] - box["width"] / 2, spot[1] - box["height"] / 2)
    mouse = ActionChains(driver)
    mouse.move_to_element_with_offset(find(plot, "svg"), *map(int, middle)).perform()
    assert find(driver, "#tip").text == "sub-02_res-x2\n20.0 °"
    (row,) = every(driver, "#table tr.marked")
    assert row.get_attribute("data-run") == "sub-02_res-x2"
    links = [a.get_dom_attribute("href") for a in every(driver, ".here") if a.is_displayed()]
    assert len(links) > 2 and all(link.endswith("sub-02.html#sub-02_res-x2") for link in links)
    mouse.click().perform()
    assert driver.current_url.endswith("sub-02.html#sub-02_res-x2")


def test_plots_are_walked_with_keys(put_record, tmp_path, show):
    records = {f"0{i}": {"v1_angle_median_deg": float(i)} for i in (3, 1, 2)}
    driver = show(group_page(put_record, tmp_path / "out", records))
    plot = next(p for p in every(driver, ".plot") if p.text.startswith("Change of V1"))
    told = []
    for key in ("\ue014", "\ue014", "\ue010", "\ue012"):  # right, right, End, left
        plot.send_keys(key)
        told.append(find(driver, "#tip").text.split("\n")[0][4:6])
    assert told == ["01", "02", "03", "02"]
    plot.send_keys("\ue00c")
    assert not find(driver, "#tip").is_displayed()
    plot.send_keys("\ue010", "\n")
    assert driver.current_url.endswith("sub-03.html#sub-03_res-x2")


def test_runs_that_are_not_wanted_fade(put_record, tmp_path, show):
    from selenium.webdriver.support.ui import WebDriverWait

    records = {f"{i:02}": {"v1_angle_median_deg": 5 + i / 10} for i in range(30)}
    records["30"] = {"v1_angle_median_deg": 60.0}
    driver = show(group_page(put_record, tmp_path / "out", records))
    plot = next(p for p in every(driver, ".plot") if p.text.startswith("Change of V1"))
    (ring,) = every(plot, ".out")
    assert ring.find_element("xpath", "..").get_dom_attribute("href").startswith("sub-30")
    assert "sub-30_res-x2" in find(driver, "#outliers").text
    find(driver, "#filter").send_keys("sub-1")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)

    def count(name):
        return find(plot, name).get_attribute("d").count("M")

    # drawn when the browser finds it in sight
    WebDriverWait(driver, 3600, 0.05).until(lambda _: count(".faded") == 21)
    assert count(".dots") == 10
    assert every(plot, ".away")
    find(driver, "#reset").click()
    assert find(plot, ".dots").get_attribute("d").count("M") == 31


def test_hostile_records_leave_the_group_page_working(put_record, tmp_path, show, hostile_records):
    out = tmp_path / "out"
    for number, text in enumerate(hostile_records):
        put_record(f"sub-bad{number}_res-x2").write_text(text)
    records = {f"{i:02}": {"v1_angle_median_deg": float(i + 1)} for i in range(12)}
    driver = show(group_page(put_record, out, records))
    assert driver.execute_script("return window.hacked") is None
    assert len(runs_in(driver)) == 12 + len(hostile_records)
    find(driver, "#chooser summary").click()
    in_chooser(driver, "button", "All").click()
    find(driver, "#chooser summary").click()
    for _ in range(2):
        head_of(driver, "Change of V1").click()
    find(driver, "#filter").send_keys("sub-0")
    assert len(runs_in(driver)) == 10
    driver.execute_script("for (let run = 0; run < group.runs.length; run++) group.mark(run)")


def test_a_thousand_runs_stay_light(put_record, tmp_path, show):
    records = {
        f"{i:04}": {"v1_angle_median_deg": 3 + (i * 37 % 1000) / 100, "unknown": i / 7}
        for i in range(1000)
    }
    path = group_page(put_record, tmp_path / "out", records)
    assert path.stat().st_size < 2_000_000
    driver = show(path)

    def elements():
        return driver.execute_script("return document.querySelectorAll('*').length")

    assert elements() < 4000
    assert len(runs_in(driver)) < 80
    seen = set(runs_in(driver))
    for share in (0.3, 0.7, 1.0):
        driver.execute_async_script(
            """
            const box = document.getElementById("rows");
            box.scrollTop = box.scrollHeight * arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => arguments[1]()));
            """,
            share,
        )
        rows = runs_in(driver)
        assert rows == sorted(rows) and len(rows) < 80 and not seen & set(rows)
        seen |= set(rows)
    assert rows[-1] == "0999"
    head_of(driver, "Change of V1").click()
    find(driver, "#filter").send_keys("sub-00")
    assert find(driver, "#count").text == "100 of 1000"
    assert elements() < 6000


def test_page_of_failures_alone(tmp_path, show):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sub-03_error.json").write_text(json.dumps({"message": "no bvec"}))
    assert "no bvec" in find(show(write_participant_page(tmp_path, "03")), "main").text
    assert "no bvec" in find(show(write_group(tmp_path)[1]), "main").text
