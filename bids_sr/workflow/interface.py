"""The one kind of nipype interface used here: a function of `bids_sr.workflow.steps`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from attrs import evolve

from bids_sr.superres.allocator import give_back_memory
from bids_sr.superres.gpu_faults import is_lost
from bids_sr.workflow.completeness import stamp
from bids_sr.workflow.engine import (
    BaseInterface,
    BaseInterfaceInputSpec,
    TraitedSpec,
    isdefined,
    traits,
)
from bids_sr.workflow.failures import Failure, record_failure
from bids_sr.workflow.monitor import Monitor
from bids_sr.workflow.step_log import step_told

_MADE = (
    "checked",
    "masks",
    "maps",
    "input_maps",
    "gqi",
    "input_gqi",
    "ensemble_sd",
    "sidecar",
    "check",
    "record",
)
_ARGUMENTS = ("plan", "run", "sr", *_MADE)


class StepInputs(BaseInterfaceInputSpec):
    """The objects passed between nodes; nipype's cache compares only the state."""

    state = traits.Str(desc="everything that determines the result")
    plan = traits.Any(nohash=True)
    run = traits.Any(nohash=True)
    checked = traits.Any(nohash=True)
    sr = traits.Any(nohash=True)
    masks = traits.Any(nohash=True)
    maps = traits.Any(nohash=True)
    input_maps = traits.Any(nohash=True)
    gqi = traits.Any(nohash=True)
    input_gqi = traits.Any(nohash=True)
    ensemble_sd = traits.Any(nohash=True)
    sidecar = traits.Any(nohash=True)
    check = traits.Any(nohash=True)
    record = traits.Any(nohash=True)
    rank = traits.Int(0, usedefault=True, nohash=True, desc="position of the step in its run")
    job = traits.Any(nohash=True, desc="job of the resource monitor; undefined without one")
    use_gpu = traits.Bool(False, usedefault=True, nohash=True)
    device = traits.Str(nohash=True, desc="GPU assigned by the pool; otherwise as planned")


class StepOutputs(TraitedSpec):
    """What a step returned, and the files it wrote."""

    value = traits.Any()
    stamps = traits.Any()


class Step(BaseInterface):
    """Calls one step function with those of its inputs that are connected.

    Parameters
    ----------
    function : callable
        A function of `bids_sr.workflow.steps`: ``plan`` and further arguments
        by keyword. If its annotations name ``folder``, it gets the node's own
        folder.
    writes : iterable of pathlib.Path
        Files that it writes, to check later whether they are unchanged.
    """

    input_spec = StepInputs
    output_spec = StepOutputs

    def __init__(
        self, function: Callable[..., Any], writes: Iterable[Path] = (), **inputs: Any
    ) -> None:
        super().__init__(**inputs)
        self._function = function
        self._writes = tuple(writes)
        self._value: Any = None
        self.failure: Failure | None = None
        self.interrupted: BaseException | None = None

    def run(self, *arguments: Any, **keywords: Any) -> Any:
        """Run the step; a request to end the program is passed on.

        nipype takes it for a failure of the step, and would continue with the next run.
        """
        result = super().run(*arguments, **keywords)
        if self.interrupted is not None:
            raise self.interrupted
        return result

    def _run_interface(self, runtime: Any) -> Any:
        given = {name: getattr(self.inputs, name) for name in _ARGUMENTS}
        arguments = {name: value for name, value in given.items() if isdefined(value)}
        if isdefined(self.inputs.device):
            arguments["plan"] = _on_device(self.inputs.plan, self.inputs.device)
        if "folder" in self._function.__annotations__:
            arguments["folder"] = Path(runtime.cwd)
        job = self.inputs.job
        try:
            with (
                step_told(self.inputs.plan, self._function.__name__, arguments),
                Monitor(job) if isdefined(job) else nullcontext(),
            ):
                self._value = self._function(**arguments)
        except Exception as error:
            # on a GPU that the pool assigned, it may be repeated on another: the pool tells it
            if not (isdefined(self.inputs.device) and is_lost(error)):
                self.failure = record_failure(self.inputs.plan, self._function.__name__, error)
            raise
        except BaseException as end:  # an interrupt, or the scheduler's time limit
            self.interrupted = end
            raise
        finally:
            give_back_memory()
        return runtime

    def _list_outputs(self) -> dict[str, Any]:
        return {"value": self._value, "stamps": [stamp(path) for path in self._writes]}


def _on_device(plan: Any, device: str) -> Any:
    return evolve(plan, options=evolve(plan.options, device=device))
