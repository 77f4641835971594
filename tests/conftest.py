from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run: a failure is found again, and no folder of examples is left behind.
settings.register_profile(
    "lodestone",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("lodestone")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """The settings of whoever runs the tests do not reach them."""
    for name in [name for name in os.environ if name.startswith("LODESTONE_")]:
        monkeypatch.delenv(name)
