"""Command line, settings, participant and group level, exit codes."""
