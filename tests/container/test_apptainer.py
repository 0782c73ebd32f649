"""The SIF, run as on a cluster: see tests/container/apptainer.sh, which makes it and calls this."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "dwi-small"
APPTAINER = os.environ.get("BIDS_SR_APPTAINER", "apptainer").split()
SIF = os.environ.get("BIDS_SR_SIF", "")
UID = int(APPTAINER[-1]) if APPTAINER[-1].isdigit() else os.getuid()
CONTAINED = ["--containall", "--cleanenv", "--no-home", "--net", "--network", "none"]

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(not SIF, reason="needs BIDS_SR_SIF; see make apptainer-test"),
]


def apptainer(action, *arguments, binds=()):
    """Run or exec in the SIF; a bind is ``here:there[:ro]``."""
    bound = [word for bind in binds for word in ("--bind", bind)]
    return subprocess.run(
        [*APPTAINER, action, *CONTAINED, *bound, SIF, *arguments],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip


@pytest.fixture(scope="module")
def top():
    """A folder for the user in the container; not pytest's, which nobody else may enter."""
    folder = Path(tempfile.mkdtemp(prefix="bids_sr-apptainer-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def own(folder):
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, UID, UID)
    return folder


@pytest.fixture(scope="module")
def demo(top):
    """The example, both levels; the output and what was said."""
    out, work, data = own(top / "out"), own(top / "work"), top / "data"
    shutil.copytree(EXAMPLE, data)
    binds = (f"{data}:/data:ro", f"{out}:/out", f"{work}:/work")
    run = apptainer(
        "run", "/data", "/out", "participant", "-w", "/work", "--nprocs", "1", "--device", "cpu",
        binds=binds,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    group = apptainer("run", "/data", "/out", "group", binds=binds)
    assert group.returncode == 0, group.stderr
    return out, run.stderr


def test_version():
    done = apptainer("run", "--version")
    assert done.stdout.split() == ["bids_sr", (REPOSITORY / "version").read_text().strip()]


def test_wrong_input_and_no_gpu():
    done = apptainer("run", "/nowhere", "/out", "participant")
    assert done.returncode == 2 and "/nowhere" in done.stderr
    done = apptainer(
        "run", "/data", "/out", "participant", "--device", "cuda", binds=[f"{EXAMPLE}:/data:ro"]
    )
    assert done.returncode == 2
    # the second where the image has a torch for CPUs
    assert "apptainer run --nv" in done.stderr or "is for CPUs only" in done.stderr


def test_who_it_is_and_what_it_can_write_and_reach():
    script = f"""
import os, socket, sys
assert os.getuid() == {UID}, os.getuid()
assert "CapEff:\\t0000000000000000" in open("/proc/self/status").read()
for folder in ("/opt/bids_sr", "/usr", "/var/lib"):
    try:
        open(os.path.join(folder, "x"), "w")
    except OSError:
        continue
    sys.exit(f"{{folder}} can be written")
assert [n for _, n in socket.if_nameindex() if n != "lo"] == []
"""
    done = apptainer("exec", "python", "-c", script)
    assert done.returncode == 0, done.stderr


def test_outputs_equal_those_made_outside(demo, same_output):
    reference = os.environ.get("BIDS_SR_REFERENCE")
    if not reference or not Path(reference).is_dir():
        pytest.skip("needs BIDS_SR_REFERENCE, the same made outside")
    same_output(demo[0], Path(reference))


def test_outputs_belong_to_the_user_and_say_where_they_were_made(demo):
    out, told = demo
    assert {path.stat().st_uid for path in out.rglob("*")} == {UID}
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Container"]["Type"] == "apptainer"
    assert "Traceback" not in told
