"""A made-up study of 24 and of 2,000 runs in headless Chromium, wide and narrow."""

from __future__ import annotations

import pytest

from bids_sr.report.columns import LEADING_COLUMNS
from bids_sr.report.group import write_group

SIZES = [(24, 1400), (24, 800), (2000, 1400), (2000, 800)]


def window(width):
    return {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}


def find(scope, selector):
    return scope.find_element("css selector", selector)


def every(scope, selector):
    return scope.find_elements("css selector", selector)


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]} runs at {size[1]} px")
def group(request, made_up_group, show):
    """The page, in a window of that width, and the number of runs."""
    runs, width = request.param
    driver = show(made_up_group(runs))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window(width))
    driver.execute_script(
        """
        document.querySelectorAll("main details:not(#chooser)").forEach((d) => { d.open = true; });
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


def leading(driver):
    """What is seen of the first columns without a scroll: heading, and whether it is whole."""
    return driver.execute_script(
        """
        const box = document.getElementById("rows"), right = box.getBoundingClientRect().right;
        const cells = [...document.querySelectorAll("#table thead tr:last-child th")];
        return cells.map((th) => {
            const {right: end, width} = th.getBoundingClientRect();
            return [th.querySelector("button").dataset.key, end <= right + 1, width];
        });
        """
    )


def test_verdicts_gains_and_reasons_are_seen_without_a_scroll(group):
    driver, _ = group
    found = leading(driver)
    assert [key for key, *_ in found[1:10]] == list(LEADING_COLUMNS)
    if driver.execute_script("return innerWidth") == 1400:
        assert all(whole for _, whole, _ in found[:10])
    assert all(whole for _, whole, _ in found[:4])  # at 800 the reason at least
    assert {key: width for key, _, width in found}["qc_reasons"] >= 150


def test_what_is_printed_is_all_rows_with_the_leading_columns(group):
    driver, runs = group
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window(720))
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        driver.execute_script("dispatchEvent(new Event('beforeprint'))")
        found = leading(driver)
        right = driver.execute_script(
            "return document.getElementById('table').getBoundingClientRect().right"
        )
        rows = driver.execute_script("return document.querySelectorAll('#table tbody tr').length")
        driver.execute_script("dispatchEvent(new Event('afterprint'))")
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert [key for key, *_ in found] == ["", *LEADING_COLUMNS]
    assert right <= 721 and rows == runs
    assert len(leading(driver)) > len(found)  # as before


def test_neighbours_share_a_heading(group):
    driver, _ = group
    shared = [
        (h.text, h.get_dom_attribute("colspan"))
        for h in every(driver, "#table thead tr:first-child th")
    ]
    assert shared[:2] == [("Gain", "2"), ("Unexplained detail", "3")]
    names = [b.text.split("\n")[0] for b in every(driver, "#table thead button")]
    assert names[4:9] == ["b0", "DWI", "b0", "mean", "l = 2"]


def test_a_run_that_is_not_finished_says_why_in_its_row(group):
    driver, runs = group
    find(driver, "#filter").send_keys("failed")
    rows = every(driver, "#table tbody tr")
    assert [row.get_dom_attribute("data-run") for row in rows] == [
        f"sub-{number:04}" for number in (runs - 1, runs)
    ]
    reasons = [find(row, "td:nth-child(3)").text for row in rows]
    assert all(reason.startswith("failed: there is no .bvec file") for reason in reasons)
    find(driver, "#reset").click()
    find(driver, "#filter").send_keys("incomplete:")
    (row,) = every(driver, "#table tbody tr")
    assert find(row, "td:nth-child(3)").text == "incomplete: 1 file missing"


def test_long_names_leave_room_for_the_reasons(made_up, put_record, tmp_path, show):
    for number in range(1, 4):
        key = f"sub-canon01_acq-ax_run-{number}_res-x2"
        record = made_up.made_up_record(number) | {"qc_status": "warn", "qc_reasons": "x" * 200}
        put_record(key, **record | {"run": key.removesuffix("_res-x2")})
    driver = show(write_group(tmp_path / "out")[1])
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window(1400))
    found = leading(driver)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert all(whole for _, whole, _ in found[:10])
    assert {key: width for key, _, width in found}["qc_reasons"] >= 150


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
    assert seen[-1][3] == f"sub-{runs:04}"
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
