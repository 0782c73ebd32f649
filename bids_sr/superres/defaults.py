"""Defaults also shown by the command line; no heavy imports, so that ``--help`` stays fast."""

DEFAULT_ENSEMBLE = 4
"""Default members of the self-ensemble: most of the gain of eight in half the time."""
SLOPPY_ENSEMBLE = 1
"""Members of the self-ensemble with ``--sloppy``: the slice itself."""
UNCERTAINTY_ENSEMBLE = 8
"""Members of the self-ensemble for its standard deviation: all."""
AHEAD = 1
"""Volumes read ahead of the network, and queued for writing behind it."""
LARGE_DETAIL = 300 << 20
"""Bytes above which the detail of a series is in files of the work folder."""
PRECISIONS = ("auto", "float32", "bfloat16")
"""Precisions that can be requested for the layers of a network."""
MOST_THREADS = 8
"""Maximum default number of CPU threads of a step."""


def detail_bytes(images: int, voxels: int) -> int:
    """Return the size of the detail of a series, which is float16.

    Parameters
    ----------
    images : int
        Images of detail: b0, and mean and l = 2 of each shell.
    voxels : int
        Voxels of a super-resolved volume.

    Returns
    -------
    int
    """
    return 2 * images * voxels
