"""`python -m loopspec.runtime.cli`."""

from __future__ import annotations

import sys

from .entry import main

sys.exit(main())
