"""Choices that the command line shows as well; light, so that ``--help`` stays quick."""

REFERENCES = ("scan", "denoised", "synthetic")
"""What a result is compared with (`bids_sr.evaluation.references`)."""
RIM = 2
"""Voxels of the reference taken off the rim of the brain mask, in plane."""
SELF_CHECKS = ("auto", "full", "off")
"""How much of a scan the self-check looks at (`bids_sr.evaluation.selfcheck`)."""
