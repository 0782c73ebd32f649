"""The BABS configuration names options that exist, and BABS makes of it a call that we take."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from bids_sr.app.parser import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGURATION = REPOSITORY / "examples" / "babs" / "bids_sr.yaml"


@pytest.fixture
def configuration():
    return yaml.safe_load(CONFIGURATION.read_text())


def test_sections_are_those_of_babs(configuration):
    assert set(configuration) == {
        "input_datasets",
        "singularity_args",
        "bids_app_args",
        "all_results_in_one_zip",
        "zip_foldernames",
        "cluster_resources",
        "script_preamble",
        "job_compute_space",
        "alert_log_messages",
    }


def test_the_parser_takes_its_options(configuration):
    words = ["in", "out", "participant"]
    for option, value in configuration["bids_app_args"].items():
        if option == "$SUBJECT_SELECTION_FLAG":
            words += [value, "sub-01"]
        else:
            words += [option, *([value] if value else [])]
    found = build_parser().parse_args(words)
    assert found.participants == ["01"]
    assert found.work_dir == Path("$BABS_TMPDIR")
    # what the job asks for is what the program is told to keep to
    resources = configuration["cluster_resources"]
    assert found.nprocs == int(resources["number_of_cpus"])
    assert found.memory_mb == 0.9 * 1000 * int(resources["hard_memory_limit"].rstrip("G"))


def test_the_version_in_the_name_of_the_zip_is_ours(configuration):
    version = (REPOSITORY / "version").read_text().strip()
    assert configuration["zip_foldernames"] == {"bids_sr": version.replace(".", "-")}
    assert f"bids-sr-{version.replace('.', '-')}" in CONFIGURATION.read_text()


@pytest.mark.parametrize("level", ["subject", "session"])
def test_what_babs_makes_of_it(configuration, level):
    """Its own generators, where it is installed."""
    babs = pytest.importorskip("babs.generate_bidsapp_runscript", exc_type=ImportError)
    from babs.generate_submit_script import generate_submit_script
    from babs.input_datasets import InputDatasets
    from babs.utils import app_output_settings_from_config

    if level == "session":
        configuration["bids_app_args"]["$SESSION_SELECTION_FLAG"] = "--session-id"
    datasets = InputDatasets(level, configuration["input_datasets"])
    datasets.update_abs_paths(Path("/project/analysis"))
    datasets = datasets.as_records()
    folders, out = app_output_settings_from_config(configuration)
    assert out == "outputs/bids_sr"
    script = babs.generate_bidsapp_runscript(
        datasets,
        level,
        container_name="bids-sr-0-1-0",
        relative_container_path="containers/.datalad/environments/bids-sr-0-1-0/image",
        bids_app_output_dir=out,
        dict_zip_foldernames=folders,
        bids_app_args=configuration["bids_app_args"],
        singularity_args=configuration["singularity_args"],
    )
    call = script[script.index("singularity run") :].replace("\\\n", " ").splitlines()[0]
    words = [word.replace("${PWD}", "/job") for word in shlex.split(call)]
    words = words[words.index("containers/.datalad/environments/bids-sr-0-1-0/image") + 1 :]
    found = build_parser().parse_args(
        ["sub-01" if w == "${subid}" else "ses-a" if w == "$sesid" else w for w in words]
    )
    assert found.output_dir == Path("/job/outputs/bids_sr")
    assert (found.participants, found.work_dir) == (["01"], Path("/job/.git/tmp/wkdir"))
    job = generate_submit_script(
        "slurm",
        configuration["cluster_resources"],
        configuration["script_preamble"],
        configuration["job_compute_space"],
        datasets,
        level,
        "bids-sr-0-1-0",
        configuration["zip_foldernames"],
    )
    assert "#SBATCH --mem=5G" in job and "#SBATCH --cpus-per-task=1" in job
