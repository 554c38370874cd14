"""`python -m secop_ophyd.cli` is `secop-ophyd`."""

import sys

from ._main import main

sys.exit(main())
