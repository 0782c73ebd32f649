"""Whether a GPU can be used: by this build of torch, with this driver, at this moment."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import torch

from bids_sr.errors import DeviceError

_GUIDE = "see GPUs in docs/containers.md"
_CUDA_12_8 = "torch==2.9.1"
"""Release whose build on package indexes is for CUDA 12.8, with kernels for Volta to Blackwell."""
_OLDEST_12_8 = (7, 0)


def gpu_count(said: str = "") -> int:
    """Initialise CUDA and return the number of GPUs, at least 1, as the runtime counts them.

    Without initialisation torch counts the cards in the machine, which may be more: a process sees
    one instance only of cards that are partitioned (MIG).

    Parameters
    ----------
    said : str
        Start of the message of an error.

    Raises
    ------
    DeviceError
        If there is none, or CUDA cannot be initialised.
    """
    if torch.version.cuda is None and torch.version.hip is None:
        raise DeviceError(
            f"{said}this build of torch ({torch.__version__}) is for CPUs only.",
            remedy=f"Install a build for your GPU: pip install '{_CUDA_12_8}' for CUDA 12.8, "
            f"{_GUIDE}; or give --device cpu.",
        )
    try:
        with warnings.catch_warnings():  # of old GPUs: `prove` has a message of its own
            warnings.simplefilter("ignore")
            torch.cuda.init()
            count = torch.cuda.device_count()
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(
            f"{said}no CUDA GPU is visible ({_first_sentence(error)}).",
            remedy=_remedy_of_start(str(error)),
        ) from error
    if count < 1:
        raise DeviceError(
            f"{said}no CUDA GPU is visible.",
            remedy="Check CUDA_VISIBLE_DEVICES and 'nvidia-smi', or give --device cpu.",
        )
    return count


def _remedy_of_start(message: str) -> str:
    if "too old" in message:
        return (
            f"Update the driver, or install a build of torch for an older CUDA: pip install "
            f"'{_CUDA_12_8}' ({_GUIDE}); or give --device cpu."
        )
    return (
        "Start the container with 'docker run --gpus all' or 'apptainer run --nv', check"
        " 'nvidia-smi' and CUDA_VISIBLE_DEVICES, or give --device cpu."
    )


def prove(device: torch.device) -> None:
    """Compute something on a GPU.

    Parameters
    ----------
    device : torch.device
        The GPU.

    Raises
    ------
    DeviceError
        If torch has no code for it, or it does not compute.
    """
    try:
        if not _has_code(device):
            raise _no_code(device)
        found = _nine_ones(device)
    except (RuntimeError, AssertionError) as error:
        if "no kernel image" in str(error):
            raise _no_code(device) from error
        raise DeviceError(
            f"{device} cannot be used ({_first_sentence(error)}).",
            remedy="Check with 'nvidia-smi' that it is healthy and has free memory, name another"
            " one, or give --device cpu.",
        ) from error
    if found != 9.0:
        raise DeviceError(
            f"{device} cannot be used (it computes wrongly).",
            remedy="Name another one, or give --device cpu.",
        )


def _nine_ones(device: torch.device) -> float:
    """Return the sum of 3 x 3 ones, by a convolution: it loads the libraries of the networks."""
    images = torch.ones(1, 1, 3, 3, device=device)
    return float(torch.nn.functional.conv2d(images, images))


def _has_code(device: torch.device) -> bool:
    if torch.version.cuda is None:  # ROCm names its architectures otherwise
        return True
    return runs_on(torch.cuda.get_arch_list(), torch.cuda.get_device_capability(device))


def runs_on(built_for: Sequence[str], capability: tuple[int, int]) -> bool:
    """Return whether a GPU can run what a build of torch contains.

    Machine code (``sm_80``) runs on GPUs of the same major version and the same or a higher minor
    version; intermediate code (``compute_90``) is compiled for any later GPU [1]_. Code for the
    features of one GPU or family (``sm_90a``, ``sm_100f``) is not counted beyond it.

    Parameters
    ----------
    built_for : sequence of str
        From `torch.cuda.get_arch_list`; empty if unknown.
    capability : tuple of int
        Compute capability of the GPU, major and minor.

    References
    ----------
    .. [1] NVIDIA, "CUDA C++ Programming Guide", section "Application Compatibility".

    Examples
    --------
    >>> runs_on(["sm_75", "sm_80", "compute_80"], (7, 0)), runs_on(["sm_80"], (8, 9))
    (False, True)
    """
    if not built_for:
        return True
    for name in built_for:
        kind, digits, special = re.fullmatch(r"(\D+)(\d+)(\D*)", name).groups()  # type: ignore[union-attr]
        built = divmod(int(digits), 10)
        if built == capability:
            return True
        if special:
            continue
        if kind == "compute_" and capability > built:
            return True
        if kind == "sm_" and capability[0] == built[0] and capability[1] > built[1]:
            return True
    return False


def _no_code(device: torch.device) -> DeviceError:
    capability, built_for = torch.cuda.get_device_capability(device), torch.cuda.get_arch_list()
    older = capability < min((_version(name) for name in built_for), default=capability)
    return DeviceError(
        f"{device} ({torch.cuda.get_device_name(device)}, compute capability "
        f"{capability[0]}.{capability[1]}) is not supported by this build of torch "
        f"({torch.__version__}: {', '.join(built_for)}).",
        remedy=f"Install one that supports it: {_install(capability, older=older)}, {_GUIDE}; or"
        " give --device cpu.",
    )


def _install(capability: tuple[int, int], *, older: bool) -> str:
    if not older:
        return "pip install --upgrade torch"
    if capability >= _OLDEST_12_8:
        return f"pip install '{_CUDA_12_8}'"
    return f"pip install '{_CUDA_12_8}' --index-url TORCH_INDEX_URL, of a build for CUDA 12.6"


def _version(name: str) -> tuple[int, int]:
    digits = re.sub(r"\D", "", name)
    return divmod(int(digits), 10) if digits else (0, 0)


def _first_sentence(error: BaseException) -> str:
    """Return the first sentence of a message, without its full stop."""
    first = (str(error).strip() or type(error).__name__).split("\n")[0]
    return first.split(". ")[0].rstrip(".")
