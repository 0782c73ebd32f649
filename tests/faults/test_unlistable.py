"""What cannot be listed concerns itself alone, and is never left out without a word."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")
WITHOUT_RIGHTS = "-dac_override,-dac_read_search"


@pytest.fixture
def limited(command, run_command, tmp_path):
    """Run the program as somebody who may not read what its owner closed, not even as root."""
    words = []
    if os.getuid() == 0:
        caps = ("--bounding-set", WITHOUT_RIGHTS, "--inh-caps", WITHOUT_RIGHTS)
        words = ["setpriv", *caps]
        if not shutil.which("setpriv"):
            pytest.skip("root may read anything here")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if not subprocess.run([*words, "ls", str(closed)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be closed here")

    def go(dataset, *options):
        line = command(dataset, tmp_path / "out", *OPTIONS, *options)
        done = subprocess.run([*words, *line], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr
        return done

    yield go
    closed.chmod(0o700)


@pytest.fixture
def dataset(writers, tmp_path):
    """Two participants; the second one's files are also those of a session."""
    return writers.write_dataset(tmp_path / "raw", ("01", "02"))


def to_session(dataset):
    old, new = dataset / "sub-02/dwi", dataset / "sub-02/ses-1/dwi"
    new.parent.mkdir()
    old.rename(new)
    for path in list(new.iterdir()):
        path.rename(new / path.name.replace("sub-02", "sub-02_ses-1"))


def errors(done):
    return [line for line in done.stderr.splitlines() if " error: sub-" in line]


CLOSED = {
    "participant": ("sub-02", 0),
    "participant, names only": ("sub-02", 0o400),
    "dwi": ("sub-02/dwi", 0),
    "dwi, names only": ("sub-02/dwi", 0o400),
    "session": ("sub-02/ses-1", 0),
    "dwi of a session": ("sub-02/ses-1/dwi", 0),
}


@pytest.mark.parametrize("database", [False, True])
@pytest.mark.parametrize("which", CLOSED)
def test_a_closed_folder_fails_alone_and_is_done_once_it_is_open(
    limited, dataset, tmp_path, which, database
):
    name, mode = CLOSED[which]
    if "ses-1" in name:
        to_session(dataset)
    (dataset / name).chmod(mode)
    options = ("--bids-database-dir", tmp_path / "index") if database else ()
    done = limited(dataset, *options)
    (dataset / name).chmod(0o700)
    assert done.returncode == 1, done.stderr
    (line,) = errors(done)
    assert f"{dataset}/{name}: cannot be listed (Permission denied)" in line
    assert "1 of 2 runs done (1 now, 0 before)" in done.stderr
    page = (tmp_path / "out/sub-02.html").read_text()
    assert "cannot be listed (Permission denied)" in page
    again = limited(dataset, *options)
    assert again.returncode == 0, again.stderr
    assert "2 of 2 runs done (1 now, 1 before)" in again.stderr
    assert not list((tmp_path / "out/logs").glob("*_error.json"))
    assert "cannot be listed" not in (tmp_path / "out/sub-02.html").read_text()


@pytest.mark.parametrize("name", ["lost+found", "sourcedata", "sub-02/anat", "sub-02/.git", "mine"])
def test_what_holds_no_run_may_be_closed(limited, dataset, name):
    (dataset / name).mkdir()
    (dataset / name).chmod(0)
    done = limited(dataset)
    (dataset / name).chmod(0o700)
    assert done.returncode == 0 and "2 of 2 runs done" in done.stderr, done.stderr
    assert "Permission denied" not in done.stderr


def test_a_closed_folder_of_no_kind_is_told(limited, dataset):
    (dataset / "sub-02/older").mkdir(mode=0)
    done = limited(dataset)
    (dataset / "sub-02/older").chmod(0o700)
    assert done.returncode == 0
    assert "warning: " in done.stderr and "sub-02/older: cannot be listed" in done.stderr


def test_others_that_are_closed_are_not_told(limited, dataset):
    (dataset / "sub-02").chmod(0)
    done = limited(dataset, "--participant-label", "01")
    alone = limited(dataset, "--participant-label", "02")
    (dataset / "sub-02").chmod(0o700)
    assert done.returncode == 0 and "1 of 1 runs done" in done.stderr
    assert alone.returncode == 1 and "0 of 1 runs done" in alone.stderr
    assert len(errors(alone)) == 1


@pytest.mark.parametrize("kind", ["json", "bval", "bvec", "nii.gz"])
def test_a_closed_file_fails_its_run(limited, dataset, kind):
    (dataset / f"sub-02/dwi/sub-02_dwi.{kind}").chmod(0)
    done = limited(dataset)
    assert done.returncode == 1
    (line,) = errors(done)
    assert f"sub-02_dwi.{kind}" in line and "Permission denied" in line
    assert "1 of 2 runs done" in done.stderr


def test_a_dataset_that_is_closed(limited, dataset):
    for mode in (0, 0o400, 0o100):
        dataset.chmod(mode)
        done = limited(dataset)
        assert done.returncode in (1, 2)
        (line,) = done.stderr.splitlines()
        assert line.startswith("bids-sr: error: ") and "ermission denied" in line
    dataset.chmod(0o700)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
@pytest.mark.parametrize("name", ["sub-02", "sub-02/dwi"])
def test_a_share_that_does_not_answer(process, dataset, tmp_path, monkeypatch, code, name):
    scandir, listdir = os.scandir, os.listdir
    closed = str(dataset / name)

    def answers(function):
        def call(path="."):
            if not isinstance(path, int) and os.fspath(path).startswith(closed):
                raise OSError(code, os.strerror(code), path)
            return function(path)

        return call

    monkeypatch.setattr(os, "scandir", answers(scandir))
    monkeypatch.setattr(os, "listdir", answers(listdir))
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 1, outcome.told
    (line,) = outcome.lines(" error: sub-02")
    assert f"{closed}: cannot be listed ({os.strerror(code)})" in line
    assert "The disk or share does not answer as it should" in line
    assert outcome.lines("1 of 2 runs done")


def test_links_that_lead_back(process, dataset, tmp_path):
    for place, target in (
        ("sub-01/ses-1", "."),
        ("sub-01/ses-2", "."),
        ("sub-02/dwi/all", "../.."),
        ("sub-02/top", ".."),
        ("sub-02/dwi/here", "."),
        ("again", "."),
        ("sub-02/self", "self"),
        ("sub-02/dwi/sub-02_acq-self_dwi.bval", "sub-02_acq-self_dwi.bval"),
    ):
        (dataset / place).symlink_to(target)
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 0, outcome.told
    assert outcome.lines("2 of 2 runs done")
    assert outcome.lines("sub-01/ses-1: a link back to a folder above it, not followed.")


def test_links_that_lead_round(process, dataset, tmp_path):
    for one, other in (("01", "02"), ("02", "01")):
        (dataset / f"sub-{one}/older").symlink_to(f"../sub-{other}")
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    # each is found once in the other's folder, and no round is made
    assert outcome.status == 1 and outcome.lines("2 of 4 runs done"), outcome.told
    assert len(outcome.lines("a link back to a folder above it, not followed.")) == 2


def test_an_image_that_is_a_link_to_itself(process, dataset, tmp_path):
    image = dataset / "sub-02/dwi/sub-02_dwi.nii.gz"
    image.unlink()
    image.symlink_to(image.name)
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 1
    (line,) = outcome.lines(" error: sub-02: ")
    assert str(image) in line and outcome.lines("1 of 2 runs done")


def test_a_participant_that_is_a_link_to_itself(process, dataset, tmp_path):
    (dataset / "sub-03").symlink_to("sub-03")
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 1
    (line,) = outcome.lines(" error: sub-03")
    assert "Remove the link that leads back to itself." in line
    assert outcome.lines("2 of 3 runs done")


def test_names_that_are_not_utf8(process, dataset, tmp_path):
    odd = os.fsdecode(b"\xff")
    for name in (f"README{odd}", f"{odd}/x", f"sub-01/dwi/note{odd}.txt", f"sub-01/anat/{odd}.nii"):
        (dataset / name).parent.mkdir(exist_ok=True)
        (dataset / name).write_text("x")
    shutil.copy(
        dataset / "sub-01/dwi/sub-01_dwi.nii.gz",
        dataset / f"sub-01/dwi/sub-01_acq-{odd}_dwi.nii.gz",
    )
    shutil.copytree(dataset / "sub-01/dwi", dataset / f"sub-0{odd}/dwi")
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 1, outcome.told
    first, second = outcome.lines(" error: sub-", "its name is not UTF-8. Rename it.")
    assert r"sub-01_acq-\xff_dwi.nii.gz: is not processed" in first + second
    assert r"/sub-0\xff: is not processed" in first + second
    assert outcome.lines("2 of 4 runs done")
    records = [json.loads(p.read_text()) for p in outcome.out.glob("logs/*_error.json")]
    assert len(records) == 2


def test_a_folder_that_vanishes_meanwhile(process, dataset, tmp_path, monkeypatch):
    from bids_sr.bids import finding

    open_layout = finding.open_layout

    def late(*arguments):
        shutil.rmtree(dataset / "sub-02")
        return open_layout(*arguments)

    monkeypatch.setattr(finding, "open_layout", late)
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 0 and outcome.lines("1 of 1 runs done"), outcome.told


def test_training_names_who_cannot_be_looked_into(limited, dataset, tmp_path):
    from bids_sr.bids.training_runs import find_training_runs
    from bids_sr.errors import InputError
    from bids_sr.images.runs import open_run

    (dataset / "sub-02/dwi").rename(tmp_path / "away")
    (dataset / "sub-02/dwi").symlink_to("dwi")
    (run,) = find_training_runs(dataset, ("02",))
    with pytest.raises(InputError, match="sub-02/dwi: cannot be listed"):
        open_run(run)
