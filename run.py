#!/usr/bin/env python3
"""The BIDS-App entry point; the console script ``bids-sr`` is the same."""

import sys

from bids_sr.app.main import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main())
