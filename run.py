#!/usr/bin/env python3
"""The BIDS-App entry point; the console script ``bids-sr`` is the same."""

import sys

from bids_sr.app.main import main

sys.exit(main())
