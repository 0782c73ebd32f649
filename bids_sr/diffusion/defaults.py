"""Choices shared with the command line; without imports, so that ``--help`` is fast."""

WARN = "warn"
FIX = "fix"
OFF = "off"
GRADIENT_CHECKS = (WARN, FIX, OFF)
"""Action on a wrong gradient table (`bids_sr.diffusion.gradient_check`): warn, correct it, or do
not check."""
REFUSE = "refuse"
TRAINING_CHECKS = (REFUSE, *GRADIENT_CHECKS)
"""The same for training: the scan is left out."""
