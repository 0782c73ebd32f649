"""Choices that the command line shows as well; light, so that ``--help`` stays quick."""

WARN, FIX, OFF = "warn", "fix", "off"
GRADIENT_CHECKS = (WARN, FIX, OFF)
"""What is done about a gradient table that is found wrong (`bids_sr.diffusion.gradient_check`):
it is said; it is corrected; nobody looks."""
REFUSE = "refuse"
TRAINING_CHECKS = (REFUSE, *GRADIENT_CHECKS)
"""The same where a network would learn from the table: the scan is not taken."""
