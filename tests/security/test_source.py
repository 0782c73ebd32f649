"""The code has none of the calls through which a file could run something, or a page be fetched."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("bids_sr", "benchmarks", "examples")
    for path in (REPOSITORY / folder).rglob("*.py")
)

FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "shelve.open",
    "marshal.load", "marshal.loads", "joblib.load", "pandas.read_pickle", "pd.read_pickle",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "pickle.dump", "pickle.dumps", "dill.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "torch.hub.load",
    "torch.jit.load", "tarfile.open", "zipfile.ZipFile", "shutil.unpack_archive",
}  # fmt: skip
NETWORK = {"socket", "requests", "urllib.request", "urllib3", "http.client", "ftplib", "smtplib"}

STARTERS = ("subprocess.", "Popen", "run", "call", "check_output", "check_call")  # of processes

# nipype keeps results of steps as pickles in the work folder; see docs/security.md
MAY_UNPICKLE = {"bids_sr/workflow/completeness.py"}


def dotted(node):
    """The name of what is called, `a.b.c`; of a call on something else only what follows it."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    else:
        parts.append("?")
    return ".".join(reversed(parts))


def is_true(call, name):
    values = [word.value for word in call.keywords if word.arg == name]
    return bool(values) and isinstance(values[0], ast.Constant) and values[0].value is True


def is_not_false(call, name):
    values = [word.value for word in call.keywords if word.arg == name]
    return any(not (isinstance(v, ast.Constant) and v.value is False) for v in values)


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(text):
    """What in a source must not be there."""
    tree = ast.parse(text)
    found = [f"imports {name}" for name in modules(tree) if name in NETWORK | FORBIDDEN]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = dotted(call.func)
        if name in FORBIDDEN or name.split(".")[-1] in ("loadpkl", "load_state_dict_from_url"):
            found.append(name)
        if name == "torch.load" and not is_true(call, "weights_only"):
            found.append("torch.load without weights_only=True")
        if name.startswith(STARTERS) and is_not_false(call, "shell"):
            found.append(f"{name} through a shell")
        if is_not_false(call, "allow_pickle"):
            found.append(f"{name} with pickles")
    return found


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_call_that_runs_what_a_file_says(path):
    found = offences(path.read_text(encoding="utf-8"))
    if path.relative_to(REPOSITORY).as_posix() in MAY_UNPICKLE:
        assert found == ["loadpkl"]
    else:
        assert not found


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "import os; os.system(line)",
        "subprocess.run(line, shell=True)",
        "subprocess.run(line, shell=asked)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "import pickle; pickle.load(stream)",
        "from pickle import loads",
        "from urllib import request",
        "import requests",
        "from nipype.utils.filemanip import loadpkl; loadpkl(path)",
    ],
)
def test_the_search_finds_it(line):
    assert offences(line)


@pytest.mark.parametrize(
    "line",
    [
        "model.eval()",
        "re.compile(x)",
        "torch.load(path, weights_only=True)",
        "np.load(path, mmap_mode='r')",
        "np.load(path, allow_pickle=False)",
        "subprocess.run([program, path], check=False)",
        "from urllib.parse import quote",
    ],
)
def test_the_search_lets_it_pass(line):
    assert not offences(line)
