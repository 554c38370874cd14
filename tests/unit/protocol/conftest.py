"""The recorded descriptions."""

import json
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data"
DESCRIPTIONS = sorted(path.stem for path in (DATA / "descriptions").glob("*.json"))

# Without `explain`, which traces every line and takes minutes


@pytest.fixture(params=DESCRIPTIONS)
def description_name(request):
    return request.param


@pytest.fixture
def description_json(description_name):
    path = DATA / "descriptions" / f"{description_name}.json"
    return json.loads(path.read_text())


@pytest.fixture
def first_updates(description_name):
    path = DATA / "descriptions" / f"{description_name}.activate.txt"
    return path.read_bytes().splitlines()


@pytest.fixture(scope="session")
def golden_problems():
    return json.loads((DATA / "problems.json").read_text())
