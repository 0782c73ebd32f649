"""An output folder with one super-resolved run, and records without images."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from bids_sr.bids.names import OutputNames
from bids_sr.images.grid import SliceGrid
from bids_sr.images.kspace import sinc_upsample
from bids_sr.images.nifti import DwiReader, VolumeWriter, write_image
from bids_sr.networks.card import ModelCard
from bids_sr.report.figures import make_figures
from bids_sr.report.group import write_group
from bids_sr.report.participant import write_participant_page
from bids_sr.superres.engine import SuperResolvedDwi

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
"""Of Chromium."""

HOSTILE = '"><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'

HOSTILE_RECORDS = (
    "{}",
    '{"run": ["a"], "subject": {"b": 1}, "shells": 3, "model": [1, {"c": null}], "qc_status": [0]}',
    '{"wm_fa_median_sr": "</script><script>alert(1)</script>", "state": "finished"}',
    '{"wm_fa_median_sr": 1e999, "v1_angle_median_deg": NaN, "dc_nrmse_b0": -Infinity}',
    '{"wm_fa_median_sr": 1e308, "wm_fa_median_input": -1e308, "wm_md_median_sr": 5e-324}',
    f'{{"wm_fa_median_sr": 1{"0" * 400}, "dc_nrmse_b1{"0" * 30}": 0.1}}',
    '{"v1_angle_median_deg": true, "input_zooms_mm": "\\ud800", "\\udfff": "\\u0000"}',
    '{"a\\tb\\nc": "x\\u2028y", "": 1, " ": 2, "__proto__": 3, "constructor": "toString"}',
    '{"qc_status": "constructor", "grid_f_dwi_p4_sr": "high", "snr_b": 3, "snr_b5": []}',
    "[" * 100_000,
    json.dumps({f"key{i}": i for i in range(3000)}),
    json.dumps({"notes": "x" * 1_000_000}),
)


def make_card(**changes):
    content = {
        "name": "tiny",
        "factor": 2,
        "degradation": "kspace",
        "channels": ("dwi",),
        "architecture": {"class": "SubPixelUNet"},
        "sha256": "ab" * 32,
        "voxel_sizes_mm": [[2.0, 2.0, 3.0]],
        "b_values": (1000,),
        "data": ("nobody",),
        "licence": "CC0",
        "seed": 1,
        "command": "none",
        "commit": "none",
        "loss": "L1",
        "figures": {},
    }
    return ModelCard(**(content | changes))


def make_record(**changes):
    record = {
        "run": "sub-01",
        "subject": "01",
        "session": None,
        "acquisition": None,
        "n_volumes": 17,
        "n_b0": 1,
        "n_directions": 16,
        "shells": "1000",
        "input_shape": "24x22x4",
        "input_zooms_mm": "2.00x2.00x3.00",
        "output_zooms_mm": "1.00x1.00x3.00",
        "slice_axis": 2,
        "scale_factor": 2,
        "model": "tiny",
        "model_sha256": "ab" * 32,
        "data_consistency": True,
        "ensemble": 4,
        "uncertainty": False,
        "device": "cpu (1 threads)",
        "seconds_superres": 84.0,
        "slices_per_second": 0.8,
        "version": "9.8.7",
        "torch_version": "2.9.9",
        "dc_nrmse_b0": 0.002,
        "dc_nrmse_b1000": 0.004,
        "dc_bias_b0": 0.0,
        "dc_bias_b1000": -0.0001,
        "wm_fa_median_input": 0.41,
        "wm_fa_median_sr": 0.44,
        "wm_md_median_input": 0.75,
        "wm_md_median_sr": 0.74,
        "wm_fa_wasserstein": 0.02,
        "wm_md_wasserstein": 0.01,
        "v1_angle_median_deg": 6.4,
        "negative_eigenvalue_fraction_input": 0.0,
        "negative_eigenvalue_fraction_sr": 0.0001,
        "nonfinite_fraction_input": 0.0,
        "nonfinite_fraction_sr": 0.0,
        "s_above_s0_fraction_input": 0.01,
        "s_above_s0_fraction_sr": 0.02,
        "dti_skipped_reason": "",
        "notes": "",
    }
    return record | changes


@pytest.fixture
def card():
    """Function: a model card with these changes."""
    return make_card


@pytest.fixture
def record():
    """Function: a run's record with these changes."""
    return make_record


@pytest.fixture
def hostile():
    """Text that runs a script if it gets into a page as it is."""
    return HOSTILE


@pytest.fixture
def hostile_records():
    """Contents of record files that are broken, of the wrong kind, or made to break a page."""
    return HOSTILE_RECORDS


@pytest.fixture
def put_record(tmp_path):
    """Function: write a run's record into the output folder; returns its path."""

    def put(key="sub-01_res-x2", folder=tmp_path / "out", **changes):
        subject = key.split("_")[0]
        path = folder / subject / "dwi" / f"{key}_desc-sr_quality.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make_record(**changes)))
        return path

    return put


@pytest.fixture
def scan(tmp_path, make_run):
    """A run, its interpolation written as if super-resolved, mask, names; `detail` is added."""

    def make(detail=None):
        run = make_run(tmp_path)
        names = OutputNames(tmp_path / "out", run.files, 2)
        with DwiReader(run.files.dwi) as reader:
            grid = SliceGrid(reader.shape[:3], reader.affine, 2, 2)
            shape, affine = grid.high_resolution
            with VolumeWriter(names.dwi, (*shape, reader.shape[3]), affine) as writer:
                for index in range(reader.shape[3]):
                    slices = np.moveaxis(reader.volume(index), 2, 0)
                    fine = sinc_upsample(torch.from_numpy(slices.copy()), 2).numpy()
                    volume = np.moveaxis(fine, 0, 2)
                    writer.write(volume if detail is None else volume + detail)
        mask = np.zeros(shape, bool)
        mask[8:-8, 8:-8] = True
        write_image(names.mask, mask, affine)
        sr = SuperResolvedDwi(
            dwi=names.dwi,
            run=run,
            grid=grid,
            card=make_card(),
            scale=1.0,
            device="cpu",
            seconds=1.0,
            slices=68,
            batch_size=4,
            data_consistency=True,
            ensemble=4,
            band=(1.0, 1.0),
            notes=(),
        )
        return sr, names

    return make


@pytest.fixture
def maps():
    """Function: write FA, colour FA, MD and V1 of both grids; returns nothing."""

    def write(sr, names, fa=0.5):
        shape, affine = sr.grid.high_resolution
        generator = np.random.default_rng(3)
        for path, size, aff in (
            (names.input_tensor, sr.grid.shape, sr.grid.affine),
            (names.tensor, shape, affine),
        ):
            write_image(path("fa"), generator.uniform(0, fa, size), aff)
            write_image(path("colorfa"), generator.uniform(0, fa, (*size, 3)), aff)
            write_image(path("md"), generator.uniform(0, 3e-3, size), aff)
            write_image(path("v1"), np.tile([1.0, 0.0, 0.0], (*size, 1)), aff)

    return write


@pytest.fixture
def output(tmp_path, scan, maps):
    """Function: an output folder with pictures and a record; returns the folder."""

    def make(**changes):
        sr, names = scan()
        maps(sr, names)
        make_figures(sr, names, mask=names.mask, has_tensor=True)
        names.quality.write_text(json.dumps(make_record(**changes)))
        return names.out_dir

    return make


def make_curves(volumes=17, slices=12, **changes):
    generator = np.random.default_rng(7)
    residual = generator.gamma(8, 0.05, (volumes, slices))
    residual[3, 5] = 4.0
    table = residual.tolist()
    table[0][0] = None
    frequency = np.linspace(0.01, 0.5, 40)
    power = 6 - 6 * frequency
    edges = np.linspace(0, 1, 31)
    shares = np.exp(-(((edges[:-1] - 0.3) / 0.2) ** 2))
    lattice = {str(p): generator.normal(0, 0.01, (p, p)).tolist() for p in (2, 4, 8, 16)}
    histogram = {"edges": edges.tolist(), "input": shares.tolist(), "sr": shares[::-1].tolist()}
    axis = {"frequency": frequency.tolist(), "power": power.tolist()}
    curves = {
        "dc_map": {"values": table, "unit": "%"},
        "spectra": {
            "frequency": frequency.tolist(),
            "interpolated": (power - 8 * (frequency > 0.25) * (frequency - 0.25)).tolist(),
            "super-resolved": power.tolist(),
            "acquired_limit": 0.25,
        },
        "axis_spectra": {"i": {**axis, "band": 0.78}, "j": {**axis, "band": 1.0}},
        "lattice": {"dwi": lattice, "fa": lattice},
        "histograms": {"fa": histogram, "md": histogram},
        "bad_slices": [{"volume": 3, "slice": 5, "text": "saturated line j = 12"}],
    }
    return curves | changes


@pytest.fixture
def curves():
    """Function: the content of a curves file with these changes."""
    return make_curves


@pytest.fixture
def put_curves(tmp_path):
    """Function: write a curves file beside the pictures; returns its path."""

    def put(content=None, key="sub-01_res-x2", folder=tmp_path / "out"):
        path = folder / key.split("_")[0] / "figures" / f"{key}_desc-curves_dwi.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make_curves() if content is None else content))
        return path

    return put


@pytest.fixture
def judged():
    """Keys of a record: judgement and self-check."""
    figures = {
        "psnr_b0": (30.0, 31.2, 31.5, 33.01),
        "psnr_dwi": (33.0, 33.5, 33.7, 34.2),
        "ssim_dwi": (0.91, 0.92, 0.925, 0.93),
        "fa_mae": (0.05, 0.048, 0.0470, 0.0471),
        "md_mae": (0.05, 0.045, 0.044, 0.041),
        "v1_deg": (9.1, 8.5, 8.4, 7.9),
    }
    checked = {
        f"selfcheck_{figure}_{method}": value
        for figure, values in figures.items()
        for method, value in zip(("linear", "cubic", "sinc", "network"), values, strict=True)
    }
    return checked | {
        "selfcheck_volumes": 7,
        "selfcheck_slices": 12,
        "selfcheck_reason": "",
        "selfcheck_verdict": "helped",
        "qc_status": "warn",
        "qc_reasons": "FA in white matter rose by 12 %; one slice is damaged",
    }


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromedriver = shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("Chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    # without it, nothing has the focus until a test has clicked
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
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


@pytest.fixture(scope="session")
def made_up():
    """Module of the made-up study."""
    path = Path(__file__).with_name("made_up_group.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made_up_group(tmp_path_factory, made_up):
    """Function: the group page of a made-up study of so many runs; made once for each number."""
    made = {}

    def make(runs):
        if runs not in made:
            out = tmp_path_factory.mktemp(f"group{runs}")
            made_up.write_study(out, runs, failing=2)
            made[runs] = write_group(out)[1]
        return made[runs]

    return make
