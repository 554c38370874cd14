"""A node that is made with frappy, for as long as the standard input is open."""

import sys
from pathlib import Path

from secop_ophyd.demo import start_node

with start_node(Path(__file__).parent / "bench_cfg.py") as node:
    print("PORT", node.uri.rpartition(":")[2], flush=True)
    sys.stdin.read()
