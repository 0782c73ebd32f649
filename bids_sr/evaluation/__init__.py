"""Scoring a network against interpolation on a scan whose truth is known."""
