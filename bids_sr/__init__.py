"""bids_sr: super-resolution of diffusion MRI as a BIDS-App, for single files, and from Python.

Names in ``__all__`` are imported on first use: ``import bids_sr`` loads neither PyTorch nor
NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bids_sr.resources import read_version

if TYPE_CHECKING:
    from bids_sr.api.arrays import SuperResolvedArray, super_resolve_array
    from bids_sr.api.models import load_model
    from bids_sr.api.series import SuperResolvedFile, super_resolve
    from bids_sr.bids.gradients import read_gradients
    from bids_sr.diffusion.tensor import fit_tensor
    from bids_sr.errors import BidsSrError

__version__ = read_version()

__all__ = [
    "BidsSrError",
    "SuperResolvedArray",
    "SuperResolvedFile",
    "__version__",
    "fit_tensor",
    "load_model",
    "read_gradients",
    "super_resolve",
    "super_resolve_array",
]

_HOMES = {
    "BidsSrError": "bids_sr.errors",
    "SuperResolvedArray": "bids_sr.api.arrays",
    "SuperResolvedFile": "bids_sr.api.series",
    "fit_tensor": "bids_sr.diffusion.tensor",
    "load_model": "bids_sr.api.models",
    "read_gradients": "bids_sr.bids.gradients",
    "super_resolve": "bids_sr.api.series",
    "super_resolve_array": "bids_sr.api.arrays",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bids_sr' has no attribute '{name}'")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
