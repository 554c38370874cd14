"""Takes all the figures of docs/explanations/reliability.md, one after the other."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
FUZZ = HERE.parent / "unit" / "protocol" / "test_fuzz.py"
BLOCK = 200  # inputs, see test_fuzz.py


def run(title: str, *command: str | Path, **environment: str) -> tuple[int, str]:
    """Run a program, show what it prints, and return it."""
    print(f"\n=== {title} ===", flush=True)
    result = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return result.returncode, result.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=600, help="of the soak")
    parser.add_argument("--blocks", type=int, default=2500, help="of damaged messages")
    args = parser.parse_args()
    today = datetime.date.today()
    print(f"{today}, {os.cpu_count()} cores, Python {platform.python_version()}")
    names = ("secop-ophyd", "ophyd-async", "bluesky", "frappy-core", "msgspec")
    print(", ".join(f"{name} {version(name)}" for name in names))

    codes: list[int] = []
    code, text = run("chaos", HERE / "chaos.py", "--schedules", str(args.schedules))
    codes.append(code)
    print(text)

    options = ("-k", "mutated", "-q", "--timeout", "1200")
    blocks = str(args.blocks)
    code, text = run("fuzz", "-m", "pytest", FUZZ, *options, FUZZ_BLOCKS=blocks)
    codes.append(code)
    passed = int((re.findall(r"(\d+) passed", text) or ["0"])[-1])
    print(f"{passed * BLOCK} damaged messages, {text.splitlines()[-1]}")

    code, text = run("soak", HERE / "soak.py", "--seconds", str(args.seconds))
    codes.append(code)
    print(text)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
