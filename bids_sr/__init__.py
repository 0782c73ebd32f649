"""bids_sr: super-resolution of diffusion MRI as a BIDS-App."""

from bids_sr.resources import read_version

__version__ = read_version()
