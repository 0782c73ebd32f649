"""A run whose names, sidecar, dataset and network card are hostile: its pages run none of it."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import pytest

from bids_sr.networks.card import read_card

SCRIPT = '</script><script>window.hacked=1</script>"><img src=x onerror="window.hacked=1">'
LINK = "javascript:window.hacked=1"
LABEL = "a'\"><img src=x onerror=window.hacked=1>"  # what a file name may hold: all but a slash
KEYS = (
    "SeriesDescription", "ProtocolName", "Manufacturer", "ManufacturersModelName",
    "PhaseEncodingDirection", "SliceEncodingDirection", "EchoTime", "RepetitionTime",
    "MagneticFieldStrength", "ConversionSoftware", "BidsGuess", "Sources", SCRIPT,
)  # fmt: skip
ADDRESSES = ("href", "src", "action", "formaction", "data", "xlink:href", "poster", "srcdoc")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._inside = [], "", ""
        self.scripts = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside in ("script", "style"):
            self.scripts[len(self.tags)] = data
        else:
            self.text += data


def hostile_dataset(writers, root):
    writers.write_dataset(root, ("01", "02"))
    folder = root / "sub-01" / "dwi"
    texts = {key: SCRIPT if number % 2 else LINK for number, key in enumerate(KEYS)}
    (folder / "sub-01_dwi.json").write_text(json.dumps(texts))
    description = {"Name": SCRIPT, "BIDSVersion": "1.10.0", "DatasetDOI": LINK, "License": SCRIPT}
    (root / "dataset_description.json").write_text(json.dumps(description))
    # a run that fails: what is wrong with it is told in its own words
    (root / "sub-02" / "dwi" / "sub-02_dwi.bval").write_text(SCRIPT)
    # no label of BIDS: passed over
    shutil.copy(folder / "sub-01_dwi.nii.gz", folder / f"sub-01_acq-{LABEL}_dwi.nii.gz")
    return root


def hostile_model(model, folder):
    shutil.copytree(model, folder)
    card = json.loads((folder / "card.json").read_text())
    card |= {
        "name": SCRIPT, "data": [SCRIPT, LINK], "licence": SCRIPT, "command": LINK,
        "commit": SCRIPT, "loss": SCRIPT, "figures": {SCRIPT: LINK},
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    assert read_card(folder).name == SCRIPT
    return folder


@pytest.fixture(scope="module")
def pages(call_here, model, writers, tmp_path_factory):
    """All pages that both levels write, of the run and of one that failed."""
    top = tmp_path_factory.mktemp("hostile")
    dataset = hostile_dataset(writers, top / "raw")
    out = top / "out"
    outcome = call_here(
        dataset, out, "participant", "--model", hostile_model(model, top / "net"), "--nprocs", "1",
        "--device", "cpu", "--skip-bids-validation", "--self-check", "off",
    )  # fmt: skip
    assert outcome.status == 1, outcome.told  # the other run
    assert call_here(dataset, out, "group").status == 0
    found = sorted(out.rglob("*.html"))
    assert {"sub-01.html", "sub-02.html", "group_dwi.html"} <= {page.name for page in found}
    assert any("desc-3d" in page.name for page in found)
    assert any("methods" in page.name.lower() for page in found)
    return found


def test_the_hostile_texts_are_on_the_pages(pages):
    # else there would be nothing to find
    for name in ("sub-01.html", "sub-02.html", "group_dwi.html"):
        (page,) = [page for page in pages if page.name == name]
        parsed = Tags(page.read_text())
        assert "hacked" in parsed.text + "".join(parsed.scripts.values()), name


def test_no_tag_or_attribute_comes_from_the_input(pages):
    for page in pages:
        for tag, attributes in Tags(page.read_text()).tags:
            where = page.name, tag, attributes
            assert not [name for name in attributes if name.startswith("on")], where
            assert "hacked" not in "".join(attributes), where
            assert not (tag == "img" and attributes.get("src") == "x"), where
            assert tag not in ("iframe", "object", "embed", "base", "form", "template"), where


def test_no_address_leads_out_or_runs(pages):
    for page in pages:
        for tag, attributes in Tags(page.read_text()).tags:
            for name in ADDRESSES:
                address = (attributes.get(name) or "").strip().lower()
                scheme = address.partition(":")[0] if ":" in address.partition("/")[0] else ""
                assert scheme in ("", "data"), (page.name, tag, address)
                assert not address.startswith("//"), (page.name, tag, address)


def test_scripts_are_ours_and_each_page_has_a_policy(pages):
    for page in pages:
        parsed = Tags(page.read_text())
        policies = [
            attributes["content"]
            for tag, attributes in parsed.tags
            if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        if not policies:
            assert "script" not in dict(parsed.tags), f"{page.name}: scripts without a policy"
            continue
        (policy,) = policies
        assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
        scripts = policy.partition("script-src")[2].partition(";")[0]
        assert "unsafe-inline" not in scripts and "http" not in scripts


def test_a_browser_runs_none_of_it(pages, driver):
    for page in pages:
        driver.get(page.as_uri())
        driver.execute_script(
            "for (const one of document.querySelectorAll('details')) one.open = true;"
            "for (const one of document.querySelectorAll('button')) one.click();"
            "for (const one of document.querySelectorAll('[href*=\"hacked\"]')) one.click();"
        )
        assert driver.execute_script("return window.hacked") is None, page.name
    driver.get_log("browser")


def test_the_other_texts_hold_no_markup_of_the_input(pages):
    figures = pages[0].parent / "sub-01" / "figures"
    methods = [path for path in figures.rglob("*methods*") if path.suffix in (".md", ".bib")]
    assert methods
    for path in methods:
        assert "<script" not in path.read_text() and "<img" not in path.read_text(), path
