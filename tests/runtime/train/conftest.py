"""Makes `tiny_run` importable by the tests of this folder, which is no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
