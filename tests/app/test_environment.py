"""What the libraries find in the environment."""

from __future__ import annotations

import os
import tempfile

import pytest

from bids_sr.app.environment import container, prepare_environment
from bids_sr.errors import UsageError


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """Let a test change os.environ and forget it; what it makes for itself goes with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_threads_and_silence():
    prepare_environment(3)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["NIPYPE_NO_ET"] == "1"


@pytest.mark.parametrize("home", ["/nonexistent", "/proc/self"])
def test_a_home_that_cannot_be_written_is_stood_in_for(home):
    os.environ["HOME"] = home
    os.environ.pop("MPLCONFIGDIR", None)
    if os.access(home, os.W_OK):
        pytest.skip("everything is writable here")
    prepare_environment(1)
    assert os.access(os.environ["MPLCONFIGDIR"], os.W_OK)


def test_no_folder_for_temporary_files(monkeypatch):
    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(UsageError, match=r"TMPDIR.*--tmpfs /tmp"):
        prepare_environment(1)


def test_what_the_user_set_stays():
    os.environ |= {"HOME": "/nonexistent", "MPLCONFIGDIR": "/mine"}
    prepare_environment(1)
    assert os.environ["MPLCONFIGDIR"] == "/mine"


def test_container_is_told_by_the_image():
    os.environ.pop("BIDS_SR_CONTAINER_TAG", None)
    assert container() is None
    os.environ["BIDS_SR_CONTAINER_TAG"] = "bids_sr:1"
    assert container() == {"Type": "docker", "Tag": "bids_sr:1"}
    os.environ["APPTAINER_CONTAINER"] = "/x.sif"
    assert container() == {"Type": "apptainer", "Tag": "bids_sr:1"}
