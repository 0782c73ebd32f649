"""Defaults that the command line shows as well; light, so that ``--help`` stays quick."""

DEFAULT_ENSEMBLE = 4
"""Members of the self-ensemble by default: most of what eight bring, at half the time."""
SLOPPY_ENSEMBLE = 1
"""Members of the self-ensemble with ``--sloppy``: the slice itself."""
UNCERTAINTY_ENSEMBLE = 8
"""Members of the self-ensemble whose standard deviation is kept: all there are."""
AHEAD = 1
"""Volumes read ahead of the network, and written behind it."""
PRECISIONS = ("auto", "float32", "bfloat16")
"""Precisions that can be requested for the layers of a network."""
MOST_THREADS = 8
"""CPU threads of a step by default, at most."""
