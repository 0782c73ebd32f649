"""A made-up study of 24 and of 2,000 runs in headless Chromium, wide and narrow."""

from __future__ import annotations

import pytest

SIZES = [(24, 1400), (24, 800), (2000, 1400), (2000, 800)]


def every(scope, selector):
    return scope.find_elements("css selector", selector)


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]} runs at {size[1]} px")
def group(request, made_up_group, show):
    """The page, in a window of that width, and the number of runs."""
    runs, width = request.param
    driver = show(made_up_group(runs))
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_script(
        """
        document.querySelectorAll("main details:not(#chooser)").forEach((d) => { d.open = true; });
        const style = document.createElement("style");
        style.textContent = ".plot { content-visibility: visible !important; }";
        document.head.append(style);
        """
    )
    yield driver, runs
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_label_of_an_axis_is_cut_or_runs_into_another(group):
    driver, _ = group
    cut, overlapping, count = driver.execute_script(
        """
        const cut = [], overlapping = [], plots = [...document.querySelectorAll(".plot svg")];
        for (const svg of plots) {
            const box = svg.getBoundingClientRect();
            for (const kind of [".tick", ".label"]) {
                const texts = [...svg.querySelectorAll(kind)].filter((t) => t.textContent);
                const boxes = texts.map((text) => text.getBoundingClientRect());
                boxes.forEach((one, i) => {
                    if (kind === ".tick" && one.left < box.left - 1) cut.push(texts[i].textContent);
                    if (one.bottom > box.bottom + 1) cut.push(texts[i].textContent);
                    for (const other of boxes.slice(i + 1))
                        if (one.left < other.right && other.left < one.right
                            && one.top + 2 < other.bottom && other.top + 2 < one.bottom)
                            overlapping.push(texts[i].textContent);
                });
            }
        }
        return [cut, overlapping, plots.length];
        """
    )
    assert count > 30
    assert cut == [] and overlapping == []


def test_the_page_is_not_wider_than_the_window(group):
    driver, _ = group
    wide, window = driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window


def test_columns_open_inside_the_window(group):
    driver, _ = group
    box, window = driver.execute_async_script(
        """
        const done = arguments[0], chooser = document.getElementById("chooser");
        document.querySelector("#choice").scrollIntoView({block: "end"});
        chooser.addEventListener("toggle", () => requestAnimationFrame(() => {
            const {left, right, top, bottom} = chooser.lastElementChild.getBoundingClientRect();
            done([[left, right, top, bottom], [document.documentElement.clientWidth, innerHeight]]);
        }));
        chooser.open = true;
        """
    )
    left, right, top, bottom = box
    assert left >= 0 and right <= window[0] and right - left > 300
    assert top >= 0 and bottom <= window[1] + 1
    labels = [label.text for label in every(driver, "#chooser label")]
    assert len(labels) > 100


def test_what_is_asked_first_is_in_the_columns_at_first(group):
    driver, _ = group
    heads = [b.get_dom_attribute("data-key") for b in every(driver, "#table thead button")]
    assert {
        "qc_status",
        "qc_reasons",
        "selfcheck_gain_psnr_b0",
        "selfcheck_gain_psnr_dwi",
        "selfcheck_left_b0",
        "selfcheck_left_mean",
        "selfcheck_left_l2",
        "gradients_verdict",
    } <= set(heads)
    assert "scale_factor" not in heads  # the same for all runs: said once, on top


def test_few_rows_are_in_the_page_wherever_it_is_scrolled_to(group):
    driver, runs = group
    seen = driver.execute_async_script(
        """
        const done = arguments[0], box = document.getElementById("rows");
        const frame = (go) => requestAnimationFrame(() => requestAnimationFrame(go));
        const rest = () => new Promise(frame);
        (async () => {
            const seen = [];
            for (const share of [0, 0.3, 0.7, 1]) {
                box.scrollTop = share * box.scrollHeight;
                await rest();
                const rows = [...box.querySelectorAll("tbody tr")];
                const {top, bottom} = box.getBoundingClientRect();
                const head = box.querySelector("thead").getBoundingClientRect().bottom;
                const inside = rows.map((row) => row.getBoundingClientRect());
                seen.push([rows.length, Math.min(...inside.map((r) => r.top)) <= head + 1,
                    Math.max(...inside.map((r) => r.bottom)) >= bottom - 25,
                    rows.at(-1).dataset.run]);
            }
            done(seen);
        })();
        """
    )
    assert seen[-1][3] == f"sub-{runs:04}_res-x2"
    assert all(count <= 120 for count, *_ in seen)
    assert all(from_above and to_below for _, from_above, to_below, _ in seen)


def test_one_row_for_each_run_that_stands_out(group):
    driver, runs = group
    names = [cell.text for cell in every(driver, ".apart tbody th")]
    assert len(names) == len(set(names)) <= 100
    assert len(names) >= min(runs // 11, 100)
    levels = [cell.text for cell in every(driver, ".apart td:nth-child(2)")]
    order = ["fail", "warn", "pass"]
    assert levels == sorted(levels, key=order.index)
