"""Choices that the command line shows as well; light, so that ``--help`` stays quick."""

REFERENCES = ("scan", "denoised", "synthetic")
"""References for a result (`bids_sr.evaluation.references`)."""
RIM = 2
"""Voxels of the reference taken off the rim of the brain mask, in plane."""
SELF_CHECKS = ("auto", "full", "off")
"""Extents of the self-check (`bids_sr.evaluation.selfcheck`)."""
