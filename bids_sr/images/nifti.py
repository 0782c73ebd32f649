"""Reading and writing NIfTI images: one module to import from."""

from __future__ import annotations

from bids_sr.images.reader import DwiReader, VolumeSource, load_volume
from bids_sr.images.writer import VolumeWriter, write_image, write_volumes

__all__ = [
    "DwiReader",
    "VolumeSource",
    "VolumeWriter",
    "load_volume",
    "write_image",
    "write_volumes",
]
