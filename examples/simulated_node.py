"""Run a simulated SEC node until you press Enter, for examples that need one.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/simulated_node.py

It listens on port 10767 of this machine; another port can be given as an argument.
"""

import sys

from secop_ophyd.demo import start_node

port = int(sys.argv[1]) if len(sys.argv) > 1 else 10767

with start_node(port=port) as simulated:
    print(f"A simulated SEC node runs at {simulated.uri}.", flush=True)
    input("Press Enter to end it.\n")
