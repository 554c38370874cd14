"""Lets tests of the programs in this folder import them, as they import each other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
