"""Two profiles for hypothesis: the same examples each time, or a long search."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

DATA = Path(__file__).parents[2] / "data"
DESCRIPTIONS = sorted(path.stem for path in (DATA / "descriptions").glob("*.json"))

# Without `explain`, which traces every line and takes minutes
_PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    phases=_PHASES,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "search",
    database=None,
    deadline=None,
    max_examples=3000,
    phases=_PHASES,
    suppress_health_check=_SLOW,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


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
