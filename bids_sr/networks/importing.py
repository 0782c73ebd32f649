"""Import of published ``.pth`` weights of the paper's network as a model folder."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bids_sr.bids.atomic import write_text
from bids_sr.bids.file_kind import OTHER, refuse_foreign
from bids_sr.errors import ModelError
from bids_sr.networks.card import ModelCard, checksum
from bids_sr.networks.paper_unet import PaperSuperResolver
from bids_sr.networks.storing import save_weights

ARTICLE = "Lohr & Werner 2026, arXiv 2605.15895; weights: Zenodo doi 10.5281/zenodo.20267632"
_HCP_VOXEL_MM = 1.05
_TOLERANCE = 1e-3
"""Largest output difference, relative to the intensity scale, at which float16 is stored."""


class _List:
    """Stands in for fastcore's list in a checkpoint; its content is not used."""

    def __new__(cls, *_arguments: object, **_keywords: object) -> _List:
        return super().__new__(cls)

    def __init__(self, *_arguments: object, **_keywords: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def import_paper_weights(path: Path, folder: Path, factor: int) -> ModelCard:
    """Write a model folder from weights saved by the paper's authors (or by fastai).

    Parameters
    ----------
    path : pathlib.Path
        ``.pth`` file from fastai's ``learn.save``, with or without optimiser. It is read with
        ``weights_only``, so no code in it is executed.
    folder : pathlib.Path
        Model folder to write; its name becomes the model's.
    factor : int
        In-plane factor it was trained for; the file does not record it.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelError
        If the file does not hold such weights, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ModelError(
            "is not empty.", file=folder, remedy="Give another --name, or remove the folder."
        )
    network = PaperSuperResolver(factor)
    _load(network, read_state(path), path)
    network.eval()
    half = _agrees_in_half(network, factor)
    folder.mkdir(parents=True, exist_ok=True)
    digest = save_weights(_stored(network.state_dict(), half=half), folder)
    card = _card(path, folder, factor, digest)
    write_text(folder / "README.md", _readme(card, half=half))
    card.save(folder)
    return card


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a file saved by fastai.

    Parameters
    ----------
    path : pathlib.Path
        See `import_paper_weights`.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    ModelError
        If the file cannot be read safely, or holds no weights.
    """
    try:
        refuse_foreign(path, OTHER, ModelError)
        with torch.serialization.safe_globals(list(_harmless())):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(
            f"cannot be read as PyTorch weights ({_first_line(error)}).",
            file=path,
            remedy="Download it again; files that need more than tensors are not opened.",
        ) from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state or not _all_tensors(state):
        raise ModelError(
            "holds no weights.",
            file=path,
            remedy="Give a file saved by fastai's learn.save, or a state dict.",
        )
    return state


def _all_tensors(state: dict[Any, Any]) -> bool:
    return all(isinstance(value, torch.Tensor) for value in state.values())


def _harmless() -> Iterator[Any]:
    """Yield the non-tensor types in fastai checkpoints: a list class and numpy scalars."""
    yield _List, "fastcore.foundation.L"
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    yield scalar, "numpy._core.multiarray.scalar"
    yield scalar, "numpy.core.multiarray.scalar"
    yield np.dtype
    yield from {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}


def _load(network: PaperSuperResolver, state: dict[str, torch.Tensor], path: Path) -> None:
    try:
        network.network.load_state_dict(state)
    except RuntimeError as error:
        own = network.network.state_dict()
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        named = [f"lacks {missing[0]}"] * bool(missing) + [f"has {extra[0]}"] * bool(extra)
        raise ModelError(
            f"is not the paper's network ({', '.join(named) or _first_line(error)}).",
            file=path,
            remedy="Only its ResNet18 DynamicUnet can be imported (SR_R18_*.pth).",
        ) from error


def _agrees_in_half(network: PaperSuperResolver, factor: int) -> bool:
    """Return whether float16 weights change the output by less than the tolerance."""
    other = PaperSuperResolver(factor).eval()
    rounded = _stored(network.state_dict(), half=True)
    other.load_state_dict(
        {key: value.to(network.state_dict()[key].dtype) for key, value in rounded.items()}
    )
    generator = torch.Generator().manual_seed(0)
    slice_ = torch.rand(1, 1, 48, 40, generator=generator)
    with torch.inference_mode():
        return bool((network(slice_) - other(slice_)).abs().max() < _TOLERANCE)


def _stored(state: dict[str, torch.Tensor], *, half: bool) -> dict[str, torch.Tensor]:
    return {
        key: (value.half() if half and value.is_floating_point() else value).contiguous().clone()
        for key, value in state.items()
    }


def _card(path: Path, folder: Path, factor: int, digest: str) -> ModelCard:
    size = round(_HCP_VOXEL_MM * factor, 2)
    return ModelCard(
        name=folder.name,
        factor=factor,
        degradation="resize-cubic",
        channels=["dwi"],
        architecture={"class": "PaperSuperResolver", "factor": factor},
        sha256=digest,
        voxel_sizes_mm=[[size, size, _HCP_VOXEL_MM]],
        b_values=[1000, 2000],
        data=["HCP young adult 7T, 10 subjects (as the article says)", ARTICLE],
        licence="as published by the authors",
        seed=42,
        command=f"bids-sr-models import {path.name} --name {folder.name} --factor {factor}",
        commit="not trained here",
        loss=f"as in the article; imported from {path.name} (sha256 {checksum(path)})",
        figures={},
        input_rule="paper",
        folder=folder,
    )


def _readme(card: ModelCard, *, half: bool) -> str:
    return f"""# {card.name}

Super-resolves {card.factor}x{card.factor} in plane: the ResNet18 UNet of
{ARTICLE}.
Imported by `{card.command}`; stored as {"float16" if half else "float32"}.

- **Reads** the slice alone, interpolated bilinearly, with the largest value of the whole scan
  as 1. One hot voxel therefore sets the scale: check the scan's maximum.
- **Geometry**: in training the input was interpolated corners on corners (align_corners), so its
  content was displaced by up to {(card.factor - 1) / 2:g} output pixels towards the edges of the
  field of view. Here it reads the pixel-centre interpolation, and the output lies where the scan
  lies.
- **Trained on** slices made smaller by cubic resizing without anti-aliasing, which is not what a
  scanner does at low resolution.
"""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
