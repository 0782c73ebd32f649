"""The image, run the hard way: see tests/container/run.sh, which builds it and calls this."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "dwi-small"
UID = 4242
IMAGE = os.environ.get("BIDS_SR_IMAGE", "")
ENGINE = os.environ.get("BIDS_SR_ENGINE", "docker")
MEMORY = "3g"
HARD = [
    "--network=none", "--read-only", "--tmpfs=/tmp:rw,mode=1777,size=512m", f"--user={UID}:{UID}",
    "--cap-drop=all", "--security-opt=no-new-privileges", f"--memory={MEMORY}",
    f"--memory-swap={MEMORY}", "--entrypoint=env",
]  # fmt: skip
"""Options: nothing can be written but /tmp and what is mounted; HOME goes with `env -u`."""

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(not IMAGE, reason="needs BIDS_SR_IMAGE; see make container-test"),
]


def engine(*arguments):
    return subprocess.run([ENGINE, *arguments], capture_output=True, text=True, check=False)


def bids_sr(*arguments, options=(), mounts=()):
    """Call the program the hard way; a mount is (here, there, 'ro' or 'rw')."""
    volumes = [f"--volume={here}:{there}:{how}" for here, there, how in mounts]
    call = ["-u", "HOME", "bids-sr", *arguments]
    return engine("run", "--rm", *HARD, *options, *volumes, IMAGE, *call)


@pytest.fixture(scope="module")
def demo(output_folder):
    """The example, both levels; the output and what was said."""
    out, work = output_folder("out"), output_folder("work")
    mounts = [(EXAMPLE, "/data", "ro"), (out, "/out", "rw"), (work, "/work", "rw")]
    more = ("--nprocs", "1", "--device", "cpu")
    run = bids_sr("/data", "/out", "participant", "-w", "/work", *more, mounts=mounts)
    assert run.returncode == 0, run.stderr
    group = bids_sr("/data", "/out", "group", mounts=mounts)
    assert group.returncode == 0, group.stderr
    return out, run.stderr


def test_outputs_equal_those_made_outside(demo, same_output):
    reference = os.environ.get("BIDS_SR_REFERENCE")
    if not reference:
        pytest.skip("needs BIDS_SR_REFERENCE, the same made outside")
    same_output(demo[0], Path(reference))


def test_outputs_belong_to_the_user_and_say_where_they_were_made(demo):
    out, told = demo
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in out.rglob("*")}
    assert owners == {(UID, UID)}
    description = json.loads((out / "dataset_description.json").read_text())
    container = description["GeneratedBy"][0]["Container"]
    assert container["Type"] == "docker" and container["Tag"].startswith("bids_sr:")
    assert "Traceback" not in told and "WARNING" not in told.replace("/work", "")


def test_the_validator_in_the_image_works(demo, tmp_path):
    # the same dataset with a flaw; the run itself is finished already
    dataset = tmp_path / "data"
    subprocess.run(["cp", "-a", EXAMPLE, dataset], check=True)
    (dataset / "participants.json").write_text("[")
    mounts = [(dataset, "/data", "ro"), (demo[0], "/out", "rw")]
    done = bids_sr("/data", "/out", "participant", "--device", "cpu", mounts=mounts)
    assert done.returncode == 0, done.stderr
    assert "the BIDS validator finds" in done.stderr and "complete already" in done.stderr


def test_version_and_help():
    assert bids_sr("--version").stdout.split() == [
        "bids_sr",
        (REPOSITORY / "version").read_text().strip(),
    ]
    assert "shallow-x2" in bids_sr("--help").stdout


def test_without_arguments_it_tells_how_it_is_used():
    done = engine("run", "--rm", "--network=none", IMAGE)
    assert done.returncode == 0 and done.stdout.startswith("usage: bids-sr")


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["/nowhere", "/out", "participant"], "/nowhere"),
        (["/data", "/out", "participant", "--participant-label", "99"], "no participant 99"),
        (["/data", "/out", "participant", "--device", "cuda"], "--gpus all|is for CPUs only"),
        (["/data", "/out", "nonsense"], "invalid choice"),
    ],
)
def test_what_cannot_work_ends_with_2(arguments, word):
    done = bids_sr(*arguments, mounts=[(EXAMPLE, "/data", "ro")])
    assert done.returncode == 2 and re.search(word, done.stderr) and "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_named():
    done = bids_sr("/data", "/out", "participant", mounts=[(EXAMPLE, "/data", "ro")])
    assert done.returncode == 1
    assert "/out" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("nprocs", [1, 2])
def test_stop_ends_it_in_order(output_folder, nprocs):
    out = output_folder("out")
    volumes = [f"--volume={EXAMPLE}:/data:ro", f"--volume={out}:/out"]
    call = ["-u", "HOME", "bids-sr", "/data", "/out", "participant", "--nprocs", str(nprocs)]
    name = engine("run", "--detach", *HARD, *volumes, IMAGE, *call).stdout.strip()
    try:
        while not list(out.rglob(".tmp-*_desc-sr_dwi.nii.gz")):
            state = engine("inspect", "--format", "{{.State.Running}}", name).stdout.strip()
            assert state == "true", engine("logs", name).stderr
        engine("stop", "--time", "3600", name)
        code = engine("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
        assert code == "143", engine("logs", name).stderr  # 137 would be a kill after an hour
        assert not list(out.rglob("*_quality.json"))
        # workers die with the container's first process; what they leave the next call removes
        assert nprocs > 1 or not list(out.rglob(".tmp-*")), "half-written files are gone"
    finally:
        engine("rm", "--force", name)


def test_memory_is_really_limited():
    # else the limit of the demo proves nothing
    call = ["python", "-c", "len(bytearray(4 * 2**30))"]
    assert engine("run", "--rm", *HARD, IMAGE, *call).returncode == 137


def test_nothing_else_can_be_written_or_reached():
    script = """
import os, socket, sys
assert os.getuid() == 4242 and "HOME" not in os.environ
assert "CapEff:\\t0000000000000000" in open("/proc/self/status").read()
for folder in ("/", "/opt/bids_sr", "/usr", "/var/lib", "/home"):
    try:
        open(os.path.join(folder, "x"), "w")
    except OSError:
        continue
    sys.exit(f"{folder} can be written")
assert [n for _, n in socket.if_nameindex() if n != "lo"] == []
"""
    done = engine("run", "--rm", *HARD, IMAGE, "-u", "HOME", "python", "-c", script)
    assert done.returncode == 0, done.stderr


def test_what_the_image_says_of_itself():
    (image,) = json.loads(engine("image", "inspect", IMAGE).stdout)
    config = image.get("Config") or image["config"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "bids_sr"
    assert (
        labels["org.opencontainers.image.version"] == (REPOSITORY / "version").read_text().strip()
    )
    assert labels["org.opencontainers.image.licenses"].startswith("Apache-2.0 AND ")
    assert labels["org.opencontainers.image.base.name"].startswith("python:3.11")
    assert config["User"].split(":")[0] not in ("", "0", "root")
    health = config.get("Healthcheck") or image.get("HealthCheck") or image.get("Healthcheck")
    assert health["Test"] == ["CMD", "bids-sr", "--version"]


def test_networks_are_inside_and_tools_are_not():
    call = ["bids-sr-models", "verify"]
    done = engine("run", "--rm", *HARD, IMAGE, "-u", "HOME", *call)
    assert done.returncode == 0 and "shallow-x2: OK" in done.stdout
    look = "from importlib.util import find_spec as f; print([*filter(f, ('pip', 'hatchling'))])"
    done = engine("run", "--rm", *HARD, IMAGE, "/opt/bids_sr/bin/python", "-c", look)
    assert done.stdout.strip() == "[]"
