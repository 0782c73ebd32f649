"""The whole program, to compare with."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[1] / "integration" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("integration_of_api", _PATH)
_integration = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_integration)
call_here = _integration.call_here
