from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.canary import has_canary

# The same examples on every run: a failure is found again, and no folder of examples is left behind.
settings.register_profile(
    "lodestone",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("lodestone")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What a test has printed or logged never has the secret that tests plant."""
    report = yield
    if any(has_canary(text) for _, text in report.sections):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} wrote a secret to its output or log"
    return report


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """The settings of whoever runs the tests do not reach them."""
    for name in [name for name in os.environ if name.startswith("LODESTONE_")]:
        monkeypatch.delenv(name)
