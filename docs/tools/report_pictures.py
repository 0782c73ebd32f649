"""Pictures of docs/how-to/read-the-report.md: parts of a report of the example in Chromium.

    python docs/tools/report_pictures.py [--work FOLDER] [--figures docs/figures]

The example is processed twice: as it is, and with the x components of its gradient table reversed,
a fault that conversion causes. Needs Chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dwi-small"
SUBJECT = "philips02"
WIDTH = 1300
PICTURES = {
    "report-top.png": (SUBJECT, ("h2", ".answer", ".side")),
    "report-cautions.png": (SUBJECT, ("[id$=-cautions]",)),
    "report-checks.png": (SUBJECT, ("[id$=-checks] > h3", ".lights")),
    "report-selfcheck.png": (SUBJECT, ("[id$=-selfcheck]",)),
    "report-check-before-use.png": ("flipped", (".answer",)),
    "report-wrong-gradients.png": ("flipped", (".faults",)),
}
"""File: participant, and CSS selectors within its run whose boxes the picture spans."""
_BOX = """
const boxes = arguments[0].map((css) => document.querySelector(`section.run ${css}`)
    .getBoundingClientRect());
const left = Math.min(...boxes.map((box) => box.left)) - 8;
const top = Math.min(...boxes.map((box) => box.top)) - 8;
return {x: left + scrollX, y: top + scrollY, scale: 1,
        width: Math.max(...boxes.map((box) => box.right)) + 8 - left,
        height: Math.max(...boxes.map((box) => box.bottom)) + 8 - top};
"""


def make_dataset(folder: Path) -> Path:
    """Copy the example, with a second participant whose x components are reversed."""
    shutil.copytree(EXAMPLE, folder)
    flipped = folder / "sub-flipped" / "dwi"
    flipped.mkdir(parents=True)
    for path in (folder / f"sub-{SUBJECT}" / "dwi").iterdir():
        copy = flipped / path.name.replace(SUBJECT, "flipped")
        shutil.copy(path, copy)
        if copy.suffix == ".bvec":
            np.savetxt(copy, np.loadtxt(path) * [[-1], [1], [1]], fmt="%.6f")
    (folder / "participants.tsv").unlink()
    return folder


def browser() -> webdriver.Chrome:
    """Return Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium-browser"
    for flag in ("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},1400"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def photograph(driver: webdriver.Chrome, page: Path, selectors: tuple[str, ...]) -> Image.Image:
    """Return what a page shows between the outermost of these elements."""
    driver.get(page.resolve().as_uri())
    clip = driver.execute_script(_BOX, list(selectors))
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
    )
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"])))
    # 256 colours, also rare ones, such as that of a light
    return picture.convert("RGB").quantize(
        256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )


def main() -> None:
    """Process the example if that has not been done yet, and write the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the report for the guide.")
    parser.add_argument("--work", type=Path, default=Path("docs-out/pictures"))
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    data, out = options.work / "data", options.work / "out"
    if not data.exists():
        make_dataset(data)
    program = Path(sys.executable).with_name("bids-sr")
    subprocess.run([program, data, out, "participant", "--skip-bids-validation"], check=True)
    driver = browser()
    try:
        for name, (subject, selectors) in PICTURES.items():
            picture = photograph(driver, out / f"sub-{subject}.html", selectors)
            picture.save(options.figures / name, optimize=True)
            print(options.figures / name, picture.size, (options.figures / name).stat().st_size)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
