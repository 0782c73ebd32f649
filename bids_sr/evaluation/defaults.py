"""Choices also shown by the command line; no heavy imports, so that ``--help`` stays fast."""

REFERENCES = ("scan", "denoised", "synthetic")
"""References for a result (`bids_sr.evaluation.references`)."""
RIM = 2
"""In-plane erosion of the brain mask, voxels of the reference."""
SELF_CHECKS = ("auto", "full", "off")
"""Extents of the self-check (`bids_sr.evaluation.selfcheck`)."""
