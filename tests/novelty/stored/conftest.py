from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _quiet_logs():
    """What is logged is printed nowhere."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def root(tmp_path):
    """Where the profiles are; not made yet."""
    return tmp_path / "profiles"
