from __future__ import annotations

import functools
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.domain_tests import domain_tests, hide_grpc
from tests.fakes.canary import has_canary

# One thread for sums of products, as the services have it: several runs share the cores, and threads that wait for each
# other on a busy core turn a second of arithmetic into a minute. What loads the libraries comes later.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A child that is forked while another thread is inside of gRPC dies of gRPC's own handler, before it is a program.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# A shell starts what is to run behind its back with Ctrl-C ignored, and all children have that from their parent.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run: a failure is found again, and no folder of examples is left behind.
settings.register_profile(
    "lodestone",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("lodestone")


def pytest_addoption(parser):
    """The two halves of `make test`, which between them run every test once."""
    what = "the tests of domain code, with grpc hidden from them, or all others"
    parser.addoption("--domain-tests", choices=("only", "left-out"), help=what)


def pytest_configure(config):
    """Hides grpc before any test file is imported."""
    if config.option.domain_tests == "only":
        hide_grpc()


def pytest_ignore_collect(collection_path, config):
    """Leaves out the files of the other half, and folders with nothing else."""
    half = config.option.domain_tests
    if half is None:
        return None
    chosen = _domain_paths()
    if collection_path.is_dir():
        return True if half == "only" and collection_path not in chosen else None
    return True if (collection_path in chosen) is (half == "left-out") else None


@functools.cache
def _domain_paths():
    """The files of the domain tests, and the folders that they are in."""
    files = set(domain_tests())
    return files.union(*(file.parents for file in files))


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
    for name in [name for name in os.environ if name.startswith(("LODESTONE_", "AWS_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server, which is there once it is asked for."""
    from tests.faithful.s3_server import running

    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server
