"""Every text of the pages stands out from its ground, in light and in dark (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import pytest

from bids_sr.report.group import write_group

FAINT = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const opaque = (colour) => { const c = numbers(colour); return c.length < 4 || c[3] === 1; };
function ground(element) {
    for (let up = element; up; up = up.parentElement) {
        const colour = getComputedStyle(up).backgroundColor;
        if (numbers(colour).length < 4 || numbers(colour)[3] > 0) return colour;
    }
    return "rgb(255, 255, 255)";
}
const found = new Set();
for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest("script, style, [disabled], option, .stage")) continue;
    const style = getComputedStyle(element), svg = element instanceof SVGElement;
    if (style.visibility === "hidden" || !element.getClientRects().length) continue;
    const colour = svg ? style.fill : style.color, behind = ground(element);
    if (!opaque(colour) || !opaque(behind)) continue;
    const [a, b] = [luminance(numbers(colour)), luminance(numbers(behind))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (ratio < needed) found.add(`${element.tagName}.${element.getAttribute("class")} ` +
        `${colour} on ${behind}: ${ratio.toFixed(2)}`);
}
return [document.querySelectorAll("body *").length, [...found]];
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("which", ["participant", "group"])
def test_texts_stand_out(full, show, theme, which):
    driver = show(full if which == "participant" else write_group(full.parent)[1])
    feature = {"name": "prefers-color-scheme", "value": theme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    looked_at, faint = driver.execute_script(FAINT)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert looked_at > 100
    assert faint == []
