"""What importing the package brings along, and what it offers."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bids_sr
from bids_sr.networks.registry import find_card

HEAVY = {"attrs", "dipy", "matplotlib", "nibabel", "nipype", "numpy", "scipy", "torch"}
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_importing_loads_nothing_of_the_libraries():
    code = "import bids_sr, sys; print(bids_sr.__version__, dir(bids_sr), sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'([\w.]+)'", done.stdout))
    assert "super_resolve" in loaded and "bids_sr.resources" in loaded
    assert not loaded & HEAVY
    own = {name for name in loaded if name.startswith("bids_sr.")}
    assert own == {"bids_sr.resources"}


@pytest.mark.slow
def test_the_command_answers_without_them():
    code = (
        "import sys\nfrom bids_sr.app.file import build_parser\nbuild_parser().format_help()\n"
        "print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(re.findall(r"'([\w.]+)'", done.stdout)) & (HEAVY - {"attrs"})


def test_all_that_is_offered_is_there():
    for name in bids_sr.__all__:
        assert getattr(bids_sr, name) is not None and name in dir(bids_sr)
    assert set(bids_sr._HOMES) == set(bids_sr.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="'superresolve'"):
        bids_sr.superresolve  # noqa: B018


def test_type_checkers_see_the_same():
    tree = ast.parse(Path(bids_sr.__file__).read_text())
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    told = {alias.name: n.module for n in block.body for alias in n.names}
    assert told == bids_sr._HOMES
    assert (Path(bids_sr.__file__).parent / "py.typed").is_file()


def test_a_network_by_its_name():
    model = bids_sr.load_model("shallow-x3")
    assert model.factor == 3 and not model.training
    assert bids_sr.load_model(factor=2).factor == find_card("shallow-x2").factor


def test_public_functions_are_documented():
    for name in ("super_resolve", "super_resolve_array", "load_model", "fit_tensor"):
        text = inspect.getdoc(getattr(bids_sr, name))
        parts = ["Parameters", "Returns", "Raises"]
        assert all(re.search(rf"{part}\n-+\n", text) for part in parts), name
