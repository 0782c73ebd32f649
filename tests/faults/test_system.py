"""What the system, the shell or the user's own set-up has against a call: one clear sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("data") / "raw", ("01",))


@pytest.fixture
def shell(command, dataset, tmp_path):
    """Run the program after some lines of shell, with these variables; returns what came of it."""

    def go(before="", *options, after="", data=dataset, out=None, **variables):
        line = command(data, out or tmp_path / "out", *OPTIONS, *options)
        quoted = [b"'" + os.fsencode(part).replace(b"'", b"'\\''") + b"'" for part in line]
        script = os.fsencode(before) + b"\n" + b" ".join(quoted) + b" " + os.fsencode(after)
        return subprocess.run(
            [b"bash", b"-c", script], capture_output=True, check=False, cwd=tmp_path,
            env={**os.environ, **variables},
        )  # fmt: skip

    return go


def one_line(done, status):
    """Return the one line that the program said before it ended with this status."""
    told = done.stderr.decode("utf-8", "replace")
    assert done.returncode == status, told
    (line,) = [line for line in told.splitlines() if not line.startswith("shell-init")]
    assert line.startswith("bids-sr: error: ")
    return line.removeprefix("bids-sr: error: ")


def test_a_working_directory_that_is_gone(shell):
    line = one_line(shell("mkdir gone; cd gone; rmdir ../gone"), 2)
    assert line.startswith("the working directory cannot be used (No such file or directory).")


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
@pytest.mark.parametrize("what", ["data", "out", "work", "link", "cwd"])
def test_a_path_that_is_not_utf8(shell, dataset, tmp_path, what, variables):
    odd = tmp_path / os.fsdecode(b"M\xfcller")
    given = {
        "data": {"data": odd}, "out": {"out": odd}, "work": {}, "cwd": {"out": "out"},
        "link": {"data": tmp_path / "link"},
    }[what]  # fmt: skip
    if what in ("data", "link"):
        shutil.copytree(dataset, odd)
        (tmp_path / "link").symlink_to(odd)
    if what == "cwd":
        odd.mkdir()
    before = f"cd '{odd}'" if what == "cwd" else ""
    options = ("-w", odd) if what == "work" else ()
    line = one_line(shell(before, *options, **given, **variables), 2)
    assert line.startswith(f"{tmp_path}/M\\xfcller: is not UTF-8")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams(shell, tmp_path, closed):
    done = shell(after=closed)
    assert done.returncode == 0
    assert (tmp_path / "out/sub-01.html").exists()
    # what is opened next must not get their numbers, and what libraries say
    texts = [p.read_bytes() for p in tmp_path.glob("out/**/*") if p.suffix in (".json", ".tsv")]
    assert texts and all(b"slices/s, 0 s left" not in text for text in texts)


def test_closed_streams_and_wrong_usage(shell):
    assert shell("", "--nonsense", after="2>&-").returncode == 2


def test_nobody_reads_what_is_written(shell):
    line = one_line(shell("", "--dry-run", after=">/dev/full"), 1)
    assert line.startswith("No space left on device.")
    done = shell("", "--dry-run", after='| true; exit "${PIPESTATUS[0]}"')
    assert one_line(done, 1).startswith("Broken pipe.")


def test_python_without_docstrings(shell):
    line = one_line(shell(PYTHONOPTIMIZE="2"), 2)
    assert "Take PYTHONOPTIMIZE=2 out of the environment" in line


def test_python_without_asserts(shell):
    assert shell(PYTHONOPTIMIZE="1").returncode == 0


@pytest.mark.parametrize("kilobytes", [200_000, 500_000, 2_000_000])
def test_too_little_address_space(shell, kilobytes):
    done = shell(f"ulimit -v {kilobytes}")
    assert done.returncode in (1, 2)
    line = one_line(done, done.returncode)
    assert line.startswith("out of memory")
    assert f"its address space to {kilobytes * 1024 / 1e9:.1f} GB (ulimit -v)" in line


def test_too_few_open_files(shell):
    line = one_line(shell("ulimit -n 24"), 2)
    assert line.startswith("no more than 24 files may be open at a time.")


def test_the_lower_limit_on_open_files_is_raised(shell):
    assert shell("ulimit -S -n 24").returncode == 0


def test_few_open_files_are_enough(shell):
    two = ("--nprocs", "2", "--omp-nthreads", "1")
    assert shell("ulimit -n 64", *two).returncode == 0


GARBAGE = {
    ".nipype/nipype.cfg": b"garbage [\n",
    ".config/matplotlib/matplotlibrc": b"text.usetex: True\nfont.family: \xff\n",
    ".config/fsspec/own.json": b"{garbage",
    ".config/fsspec/own.ini": b"garbage",
    "nipype.cfg": b"[logging]\nworkflow_level = SHOUT\n[execution]\nstop_on_first_crash = maybe\n",
    "matplotlibrc": b"figure.dpi: many\nfont.family: \xff\n",
    "pybids_config.json": b'{"config_paths": 1}',
}


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_settings_of_the_user_for_libraries_have_no_say(shell, tmp_path, nprocs):
    home, here = tmp_path / "home", tmp_path / "here"
    for name, text in GARBAGE.items():
        path = (home if name.startswith(".") else here) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    unset = dict.fromkeys(("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), "")
    done = shell(
        "unset " + " ".join(unset) + "; cd here", "--nprocs", nprocs, "--omp-nthreads", "1",
        HOME=str(home), PYBIDS_CONFIG="/etc/hostname", MATPLOTLIBRC=str(here / "matplotlibrc"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert {path.name for path in here.iterdir()} == {n for n in GARBAGE if n[0] != "."}


def test_damaged_settings_of_pybids_in_the_home_folder(shell, tmp_path):
    (tmp_path / "pybids_config.json").write_text("{garbage")
    line = one_line(shell("mkdir here; cd here", HOME=str(tmp_path)), 2)
    assert line.endswith("Repair or remove pybids_config.json in your home folder.")


def test_only_one_module_imports_nipype_and_one_matplotlib():
    from bids_sr.resources import resource

    package = resource("models").parent / "bids_sr"
    for library, place in (("nipype", "workflow/engine.py"), ("matplotlib", "report/plotting.py")):
        found = {
            str(path.relative_to(package))
            for path in package.rglob("*.py")
            for line in path.read_text().splitlines()
            if line.strip().startswith((f"import {library}", f"from {library}"))
        }
        # studies and trainings are drawn by commands of their own, which leave a user's fonts alone
        assert found - {"study/figures.py", "training/curves.py"} == {place}


@pytest.fixture
def without_shm():
    """Words before a command that take /dev/shm away from it."""
    script = 'mount -t tmpfs -o ro none /dev/shm && exec "$@"'
    words = ["unshare", "-m", "bash", "-c", script, "bash"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    return words


def test_steps_side_by_side_need_no_shared_memory(
    command, run_command, dataset, tmp_path, without_shm
):
    out = tmp_path / "out"
    options = ("--nprocs", "2", "--omp-nthreads", "1", "--resource-monitor")
    line = command(dataset, out, *OPTIONS, *options)
    with subprocess.Popen([*without_shm, *line], stderr=subprocess.PIPE, text=True) as program:
        told = program.communicate()[1]
    assert program.returncode == 0, told
    (table,) = out.glob("logs/*/resources.tsv")
    pids = {row.rsplit("\t", 1)[1] for row in table.read_text().splitlines()[1:]}
    assert pids and str(program.pid) not in pids


@pytest.mark.parametrize(
    "variables",
    [
        {"TMPDIR": "/nonexistent"},
        {"MPLCONFIGDIR": "/proc/none"},
        {"MPLCONFIGDIR": "/etc/hostname"},
        {"HOME": "/etc/hostname"},
        {"HOME": "relative"},
        {"XDG_CACHE_HOME": "/etc/hostname", "XDG_CONFIG_HOME": "/proc/none"},
        {"LC_ALL": "xx_YY.UTF-8", "LANG": "nonsense"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONWARNINGS": "error"},
    ],
    ids=lambda variables: "-".join(variables),
)
def test_odd_surroundings_are_no_obstacle(shell, variables):
    done = shell(**variables)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_no_home_for_an_unknown_user():
    unknown = "import os, pwd; os.getuid = lambda: 987654; os.environ.pop('HOME', None)"
    done = subprocess.run(
        [sys.executable, "-c", f"{unknown}\n{HOMELESS}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bids_sr-home-" in done.stdout


HOMELESS = """
from pathlib import Path
from bids_sr.app.environment import prepare_environment
from bids_sr.bids.pybids import load_pybids
try:
    Path.home()
except RuntimeError:
    prepare_environment(1)
    load_pybids()
    print(Path.home())
"""

ODD = [None, 0, "x", {}, {"Name": "x"}, [None], ["x"], [[]], [{"Name": "x"}, 5], True]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("key", ["GeneratedBy", "PipelineDescription"])
def test_a_description_of_an_odd_form(process, dataset, tmp_path, key, value):
    data = tmp_path / "raw"
    shutil.copytree(dataset, data)
    text = {"Name": "x", "BIDSVersion": "1.10.0", "DatasetType": "derivative", key: value}
    (data / "dataset_description.json").write_text(json.dumps(text))
    outcome = process(data, tmp_path / "out", "--dry-run")
    assert outcome.status == 2
    (line,) = outcome.told.splitlines()
    if key == "PipelineDescription" and isinstance(value, dict):
        assert "no preprocessed (desc-preproc) diffusion run found" in line
    elif not (key == "GeneratedBy" and value == []):
        assert f"dataset_description.json: its {key} is not a" in line


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_raw_dataset_may_say_what_it_likes_of_pipelines(process, dataset, tmp_path, value):
    data = tmp_path / "raw"
    shutil.copytree(dataset, data)
    text = {"Name": "x", "BIDSVersion": "1.10.0", "GeneratedBy": value}
    (data / "dataset_description.json").write_text(json.dumps(text))
    assert process(data, tmp_path / "out", "--dry-run").status == 0


@pytest.mark.parametrize("content", ["[]", "null", '"x"', "5"])
def test_a_description_that_is_no_object(process, dataset, tmp_path, content):
    data = tmp_path / "raw"
    shutil.copytree(dataset, data)
    (data / "dataset_description.json").write_text(content)
    outcome = process(data, tmp_path / "out", "--dry-run")
    assert outcome.status == 2
    assert outcome.lines("dataset_description.json: does not hold a JSON object.")
