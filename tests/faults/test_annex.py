"""An output folder after ``datalad save``: every file a link to a read-only object."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1", "--sloppy")
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "annex.thin=false")


@pytest.fixture(scope="module")
def powerless():
    """What makes root mind rights, as others have to."""
    if os.getuid() != 0:
        return []
    line = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*line, "true"], check=False).returncode:
        pytest.skip("root cannot be made to mind rights here")
    return line


@pytest.fixture(scope="module")
def call(powerless, command):
    """A function that calls the program as somebody who minds rights."""

    def outcome(dataset, out, *options, level="participant"):
        words = command(dataset, out, *OPTIONS, *options)
        words[words.index("participant")] = level
        done = subprocess.run([*powerless, *words], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done

    return outcome


def imitate(top):
    """Do what git-annex does: objects of mode 0444 in folders of mode 0555, and links."""
    for path in sorted(p for p in top.rglob("*") if ".git" not in p.parts):
        if path.is_symlink() or not path.is_file():
            continue
        key = hashlib.sha256(path.read_bytes()).hexdigest()
        home = top / ".git/annex/objects" / key[:2] / key
        if not home.exists():
            home.mkdir(parents=True)
            shutil.copyfile(path, home / key)
            (home / key).chmod(0o444)
            home.chmod(0o555)
        path.unlink()
        path.symlink_to(os.path.relpath(home / key, path.parent))


def save(top):
    """Put all files under git-annex; what git ignores is left."""

    def run(*words):
        subprocess.run([*GIT, *words], cwd=top, check=True, capture_output=True)

    if not (top / ".git/annex").exists():
        run("init", "-q")
        run("annex", "init", "-q")
    run("-c", "annex.dotfiles=true", "annex", "add", ".")
    run("commit", "-qm", "saved", "--allow-empty")


@pytest.fixture(scope="module", params=["git-annex", "imitated"])
def keep(request):
    """The function that puts a folder under git-annex."""
    if request.param == "git-annex":
        if not shutil.which("git-annex"):
            pytest.skip("git-annex is not installed")
        return save
    return imitate


@pytest.fixture(scope="module")
def saved(call, keep, writers, tmp_path_factory):
    """A dataset, and an output folder that was put under git-annex; copy it."""
    top = tmp_path_factory.mktemp("annex")
    dataset = writers.write_dataset(top / "raw", ("01",))
    done = call(dataset, top / "out")
    assert done.returncode == 0, done.stderr
    keep(top / "out")
    left = [p for p in (top / "out").rglob("*") if p.is_file() and ".git" not in p.parts]
    assert left and all(path.is_symlink() for path in left if path.name != ".gitignore")
    yield dataset, top / "out"
    subprocess.run(["chmod", "-R", "u+w", str(top)], check=True)


@pytest.fixture
def out(saved, tmp_path):
    yield shutil.copytree(saved[1], tmp_path / "out", symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)


def objects(out):
    """What lies in the annex."""
    found = (p for p in (out / ".git/annex/objects").rglob("*") if p.is_file())
    return {path.name: path.read_bytes() for path in found}


def links(out):
    return {p for p in out.rglob("*") if p.is_symlink() and ".git" not in p.parts}


def test_nothing_is_done_again_and_no_lock_stays(call, saved, out):
    before, linked = objects(out), links(out)
    done = call(saved[0], out)
    assert done.returncode == 0, done.stderr
    assert "complete already" in done.stderr
    assert (objects(out), links(out)) == (before, linked)
    assert not list(out.rglob("*.lock"))


def test_everything_is_made_anew_beside_the_annex(call, saved, out):
    before = objects(out)
    done = call(saved[0], out, "--ensemble", "2", "--resource-monitor")
    assert done.returncode == 0, done.stderr
    assert objects(out) == before, "links are replaced, not written through"
    made = [path for path in out.glob("sub-01/**/*") if path.is_file()]
    assert len(made) > 50 and not [path.name for path in made if path.is_symlink()]
    assert call(saved[0], out, "--ensemble", "2").returncode == 0


@pytest.mark.parametrize("level", ["group", "--reports-only", "--boilerplate-only"])
def test_pages_are_written_anew(call, saved, out, level):
    before = objects(out)
    options = () if level == "group" else (level,)
    done = call(saved[0], out, *options, level="group" if level == "group" else "participant")
    assert done.returncode == 0, done.stderr
    assert objects(out) == before


def test_content_that_was_dropped(call, saved, out):
    store = out / ".git/annex/objects"
    description = (out / "dataset_description.json").read_text()
    subprocess.run(["chmod", "-R", "u+w", str(store)], check=True)
    shutil.rmtree(store)
    done = call(saved[0], out)
    assert done.returncode == 2
    assert "dataset_description.json: is a link whose target does not exist" in done.stderr
    assert "datalad get" in done.stderr
    (out / "dataset_description.json").unlink()
    (out / "dataset_description.json").write_text(description)
    done = call(saved[0], out)
    assert done.returncode == 0, done.stderr
    assert (out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz").is_file()
    assert (out / ".bidsignore").is_symlink(), "what cannot be read is not replaced"


def test_what_a_killed_call_left_was_saved_with_the_rest(call, saved, out):
    """As where git does not know what to ignore."""
    target = os.path.relpath(next(iter(links(out))).resolve(), out / "logs")
    names = [".bids_sr-dataset.lock", ".tmp-bids_sr-0a-README.md"]
    left = [out / "logs/.bids_sr-sub-01.lock", *(out / name for name in names)]
    before = objects(out)
    for path in left:
        path.symlink_to(out / "logs" / target)
    done = call(saved[0], out, "--ensemble", "2")
    assert done.returncode == 0, done.stderr
    assert objects(out) == before and not [p.name for p in left if os.path.lexists(p)]


def test_a_work_folder_and_a_database_in_it(call, saved, out, keep):
    options = ("-w", out / "work", "--bids-database-dir", out / "database", "--ensemble", "2")
    assert call(saved[0], out, *options).returncode == 0
    for path in out.glob("sub-01/dwi/*_quality.json"):
        path.unlink()
    if keep is save:
        keep(out)
        assert not links(out / "work"), "git never sees it"
        assert links(out / "database")
    done = call(saved[0], out, *options)
    assert done.returncode == 0, done.stderr
    assert not list((out / "database").glob(".*"))
