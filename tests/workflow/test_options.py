"""Options on their way from the command line to the engine: none is lost in between."""

from __future__ import annotations

import inspect

import pytest
from attrs import evolve, fields_dict

from bids_sr.app.participant import make_run_options
from bids_sr.app.settings import Settings
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.options import SuperResolutionOptions
from bids_sr.workflow.options import MethodOptions
from bids_sr.workflow.plan import fingerprint

OTHERS = {
    "data_consistency": False,
    "detect_band": False,
    "ensemble": 8,
    "slice_axis": 1,
    "output_dtype": "int16",
    "precision": "float32",
    "input_matrix": (110, 112),
    "uncertainty": True,
    "gradient_check": "fix",
    "self_check": "full",
    "maps": False,
    "sloppy": True,
}
"""A value that is not the default, of each option."""
LEAVE_THE_OUTPUT = ("self_check", "maps")
"""Options that change what else is written, not how any of it looks."""


def test_each_option_is_tried_here():
    assert OTHERS.keys() == fields_dict(MethodOptions).keys()
    assert all(getattr(MethodOptions(), name) != value for name, value in OTHERS.items())


def test_the_engine_takes_each_of_its_own_under_its_name():
    taken = inspect.signature(super_resolve).parameters
    for name, value in SuperResolutionOptions().engine_arguments().items():
        assert taken[name].default == value, name


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_gets_what_was_asked_for(name, make_plans, tiny_model, tmp_path):
    plan = make_plans("01")[0]
    settings = Settings(
        tmp_path, tmp_path / "out", "participant", model=str(tiny_model), **{name: OTHERS[name]}
    )
    options = make_run_options(settings, ["cpu"])
    assert options.method() == MethodOptions(**{name: OTHERS[name]}).method()
    if name in fields_dict(SuperResolutionOptions):
        assert options.engine_arguments()[name] == OTHERS[name]
    changed = fingerprint(plan.files, evolve(plan.options, **{name: OTHERS[name]}))
    assert (changed != plan.fingerprint) == (name not in LEAVE_THE_OUTPUT)
