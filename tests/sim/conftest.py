"""Tests of this floor share their controls: `from sim_controls import …`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
