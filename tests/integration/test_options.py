"""Each option does what it says."""

from __future__ import annotations

import json

import nibabel as nib
import pytest

from bids_sr.app.work_folder import work_folder


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("options") / "raw", ("01", "02"))


@pytest.fixture
def stale(tmp_path):
    """A work folder with something old of ours and of others in it."""
    with work_folder(tmp_path / "work") as own:
        (own / "bids_sr" / "sub_09").mkdir(parents=True)
    (tmp_path / "work" / "file").write_text("")
    return tmp_path / "work"


def test_many_at_once(process, dataset, stale, tmp_path):
    out = tmp_path / "out"
    outcome = process(
        dataset, out, "--participant_label", "sub-02", "--slice-axis", "j", "--batch-size", "3",
        "--bids-database-dir", tmp_path / "database", "-w", stale, "--clean-workdir",
        "--write-graph", "--notrack", "--mem-mb", "1G", "--nprocs", "2", "--omp-nthreads", "2",
        "-v",
    )  # fmt: skip
    assert outcome.status == 0, outcome.told
    assert not list(out.glob("sub-01*")), "only the participant asked for"
    series = out / "sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz"
    assert nib.load(series).shape == (48, 22, 8, 17), "not refined along j"
    record = json.loads(series.with_name("sub-02_res-x2_desc-sr_quality.json").read_text())
    assert record["slice_axis"] == 1 and record["batch_size"] == 3
    assert "2 threads" in record["device"]
    assert (stale / "file").exists() and {path.name for path in stale.iterdir()} == {
        "file",
        "bids_sr_work",
    }
    assert [path.name for path in stale.glob("*/bids_sr/sub_*")] == ["sub_02"]
    assert list((tmp_path / "database").iterdir())
    assert list(out.glob("logs/*/graph.dot"))
    assert outcome.lines("Settings("), "-v tells the settings"


def test_a_plugin_of_nipype(process, dataset, tmp_path):
    plugin = tmp_path / "plugin.yml"
    plugin.write_text(
        # not forked: this process has used torch's threads
        "plugin: MultiProc\n"
        "plugin_args: {n_procs: 1, raise_insufficient: false, mp_context: spawn}\n"
    )
    outcome = process(
        dataset, tmp_path / "out", "--participant-label", "01", "--use-plugin", plugin
    )
    assert outcome.status == 0, outcome.told
    assert (tmp_path / "out/sub-01.html").is_file()


def test_a_plugin_that_nipype_does_not_have(process, dataset, tmp_path):
    plugin = tmp_path / "plugin.yml"
    plugin.write_text("plugin: Abacus\n")
    outcome = process(dataset, tmp_path / "out", "--use-plugin", plugin)
    assert outcome.status == 2
    assert outcome.lines("no plugin 'Abacus'", "SLURM")


def test_the_validator_is_heard(call_here, model, writers, tmp_path):
    from bids_sr.app.validation import _find_program

    if _find_program() is None:
        pytest.skip("no BIDS validator is installed")
    dataset = writers.write_dataset(tmp_path / "raw", ("01",))
    (dataset / "sub-01/dwi/sub-01_dwi.bvec").unlink()
    arguments = (dataset, tmp_path / "out", "participant", "--model", model, "--nprocs", "1")
    assert call_here(*arguments).lines("BIDS validator finds", "sub-01")
    assert not call_here(*arguments, "--skip-bids-validation").lines("BIDS validator")


def test_a_series_of_int16(process, dataset, tmp_path):
    """Sidecar, page and maps are of the stored series; float32 asked for later makes it anew."""
    out = tmp_path / "out"
    first = process(dataset, out, "--participant-label", "01", "--output-dtype", "int16")
    assert first.status == 0, first.told
    series = out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz"
    assert nib.load(series).get_data_dtype() == "int16"
    sidecar = json.loads(series.with_name("sub-01_res-x2_desc-sr_dwi.json").read_text())
    assert sidecar["SuperResolution"]["Settings"]["output_dtype"] == "int16"
    assert "Stored as int16 in steps of" in (out / "sub-01.html").read_text()
    fa = series.with_name("sub-01_model-tensor_param-fa_res-x2_dwimap.nii.gz")
    rounded = nib.load(fa).get_fdata()
    assert process(dataset, out, "--participant-label", "01").status == 0
    assert nib.load(series).get_data_dtype() == "float32"
    exact = nib.load(fa).get_fdata()
    assert 0 < abs(exact - rounded).max() < 0.02
