"""`lodestone up` as a process, over a checkout whose services are small servers that report health."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lodestone.cli.up.places import places_of
from lodestone.cli.up.up import UpOptions, service_environment
from lodestone.client import Addresses
from tests.cli.processes import eventually_sync, is_running, lines_of
from tests.fakes.ports import free_ports

ROOT = Path(__file__).parents[3]
UP = (sys.executable, "-m", "lodestone.cli", "up", "--data")
WORDS = ("embedder", "novelty", "watermark", "crawler")

SERVICE = """
import json, os, pathlib, sys
from concurrent import futures
import grpc
from grpc_health.v1 import health, health_pb2_grpc
word = sys.argv[0].split(os.sep)[-2]
prefix = f"LODESTONE_{word.upper()}_"
if os.environ.get("TEST_REFUSES") == word:
    print("error: there is no encoder 'nope'", file=sys.stderr)
    sys.exit(78)
settings = {name: value for name, value in os.environ.items() if name.startswith("LODESTONE_")}
data = pathlib.Path(os.environ["LODESTONE_DATA"])
(data / f"{word}.json").write_text(json.dumps(settings))
if shown := os.environ.get("TEST_SHOWS"):
    print(f"{shown} is {os.environ.get(shown, 'not set')}")
server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_insecure_port(f"127.0.0.1:{os.environ[prefix + 'PORT']}")
server.start()
print(f"{word} serves")
sys.stdout.flush()
server.wait_for_termination()
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with four small services."""
    root = tmp_path / "checkout"
    for word in WORDS:
        folder = root / "services" / word
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(SERVICE)
    (root / "services" / "__init__.py").touch()
    (root / "encoders" / "mine").mkdir(parents=True)
    (root / "encoders" / "mine" / "encoder.json").touch()
    return root


@pytest.fixture
def addresses():
    """Free addresses for the four, as environment variables."""
    return {
        f"LODESTONE_{word.upper()}": f"127.0.0.1:{port}"
        for word, port in zip(WORDS, free_ports(4), strict=True)
    }


@pytest.fixture
def up(checkout, addresses, tmp_path):
    """Starts `lodestone up` in the checkout; its output goes to `out` and `err`."""
    started = []

    def start(*arguments, **environment):
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(
                [*UP, tmp_path / "data", *arguments],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(ROOT), **addresses, **environment},
                stdout=out,
                stderr=err,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def test_up_starts_all_four_prints_ready_and_stops_them(up, addresses, tmp_path):
    """The table and the word on a line of its own; SIGTERM ends all, with exit status 0."""
    process = up()
    eventually_sync(lambda: "ready" in lines_of(tmp_path / "out"), limit_s=60)
    table = (tmp_path / "out").read_text()
    assert all(address in table for address in addresses.values())
    assert lines_of(tmp_path / "data" / "logs" / "novelty.log") == ["novelty serves"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert (tmp_path / "err").read_text() == ""
    for address in addresses.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0


def test_up_with_json_and_options(up, addresses, tmp_path):
    """One object; the options reach the services that they are for; Ctrl-C ends it with 0."""
    process = up(
        *("--json", "--encoder", "mine", "--min-pixels", "1000"),
        *("--allow-address", "127.0.0.1:8099", "--allow-address", "10.1.0.0/16"),
    )
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    ready = json.loads((tmp_path / "out").read_text())
    assert ready["ready"] is True
    assert [one["service"] for one in ready["services"]] == list(WORDS)
    assert ready["services"][3]["address"] == addresses["LODESTONE_CRAWLER"]
    assert all(is_running(one["pid"]) for one in ready["services"])
    embedder = json.loads((tmp_path / "data" / "embedder.json").read_text())
    crawler = json.loads((tmp_path / "data" / "crawler.json").read_text())
    assert embedder["LODESTONE_EMBEDDER_ENCODER"] == "mine"
    assert crawler["LODESTONE_EMBEDDER"] == addresses["LODESTONE_EMBEDDER"]
    assert crawler["LODESTONE_DATA"] == str(tmp_path / "data")
    assert json.loads(crawler["LODESTONE_CRAWLER_ALLOWED_ADDRESSES"]) == [
        "127.0.0.1:8099",
        "10.1.0.0/16",
    ]
    assert crawler["LODESTONE_CRAWLER_MIN_PIXELS"] == "1000"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not any(is_running(one["pid"]) for one in ready["services"])


def test_services_have_grpcs_own_log_lines(up, tmp_path):
    """The command keeps them off its stderr; a service tells by them why a handshake failed."""
    up("--json", TEST_SHOWS="GRPC_VERBOSITY")
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    shown = lines_of(tmp_path / "data" / "logs" / "novelty.log")
    assert shown == ["GRPC_VERBOSITY is not set", "novelty serves"]


def test_up_starts_a_killed_service_again(up, tmp_path):
    """SIGKILL of one of the four: a line on stderr, and it serves again."""
    up("--json")
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    services = json.loads((tmp_path / "out").read_text())["services"]
    os.kill(services[1]["pid"], signal.SIGKILL)
    eventually_sync(lambda: "novelty serves again" in lines_of(tmp_path / "err"), limit_s=60)
    assert lines_of(tmp_path / "err")[0].startswith("novelty ended with status -9")
    assert is_running(services[0]["pid"])


def test_up_with_a_misconfigured_service_is_one_line(up, tmp_path):
    """Exit status 78 of a service: its own last line is the error, and nothing is left running."""
    process = up(TEST_REFUSES="embedder")
    assert process.wait(60) == 1
    assert (tmp_path / "err").read_text() == "error: embedder: there is no encoder 'nope'\n"
    assert "ready" not in lines_of(tmp_path / "out")


def test_up_with_a_port_in_use_is_one_line(up, addresses, tmp_path):
    """The address, the service and the variable are named; nothing is started."""
    address = addresses["LODESTONE_WATERMARK"]
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        process = up()
        assert process.wait(60) == 1
    assert (tmp_path / "err").read_text() == (
        f"error: port {address.rpartition(':')[2]} of 127.0.0.1, for the watermark service, is in use by "
        "another program or `lodestone up`: LODESTONE_WATERMARK=127.0.0.1:PORT chooses another\n"
    )
    assert not (tmp_path / "data").exists()


def test_up_with_an_unknown_encoder_makes_nothing(up, tmp_path):
    """One line with the names there are, and no data folder."""
    process = up("--encoder", "nope")
    assert process.wait(60) == 1
    assert (tmp_path / "err").read_text() == (
        "error: there is no encoder 'nope'; there is mine (see: lodestone encoder list)\n"
    )
    assert not (tmp_path / "data").exists()


def test_two_ups_do_not_share_a_data_folder(up, tmp_path):
    """The second one is told the first one's process id."""
    first = up("--json")
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    others = {
        f"LODESTONE_{word.upper()}": f"127.0.0.1:{port}"
        for word, port in zip(WORDS, free_ports(4), strict=True)
    }
    second = up(**others)
    assert second.wait(60) == 1
    assert (tmp_path / "err").read_text() == (
        f"error: another `lodestone up` (process {first.pid}) uses {tmp_path / 'data'}\n"
    )


def test_a_killed_up_takes_its_services_along_and_can_be_started_again(up, tmp_path):
    """SIGKILL of `up` itself: the four end too, and the next one finds ports and folder free."""
    first = up("--json")
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    pids = [one["pid"] for one in json.loads((tmp_path / "out").read_text())["services"]]
    first.kill()
    first.wait()
    eventually_sync(lambda: not any(is_running(pid) for pid in pids))
    up("--json")
    eventually_sync(lambda: lines_of(tmp_path / "out"), limit_s=60)
    assert json.loads((tmp_path / "out").read_text())["ready"] is True


def place(word, where):
    """Where a service's first process serves."""
    return next(one for one in places_of(where) if one.word == word)


def test_localhost_is_an_address_for_the_services():
    """The services take addresses only; other settings of the environment stay."""
    options = UpOptions(Path("/data"), "", (), None)
    where = Addresses(novelty="localhost:6002")
    environment = service_environment(
        place("novelty", where), where, options, {"LODESTONE_NOVELTY_DRAIN_S": "5"}
    )
    assert environment["LODESTONE_NOVELTY_HOST"] == "127.0.0.1"
    assert environment["LODESTONE_NOVELTY_PORT"] == "6002"
    assert environment["LODESTONE_NOVELTY_METRICS_PORT"] == "16002"
    assert environment["LODESTONE_NOVELTY_DRAIN_S"] == "5"
    assert "LODESTONE_CRAWLER_MIN_PIXELS" not in environment


def test_the_watermark_service_is_told_its_detector_and_backend():
    """Both or neither: unset leaves what its own variables say."""
    where = Addresses()
    options = UpOptions(Path("/data"), "", (), detector="mine", watermark_backend="embedder")
    own = {"LODESTONE_WATERMARK_DETECTOR": "theirs"}

    told = service_environment(place("watermark", where), where, options, own)
    untold = service_environment(
        place("watermark", where), where, UpOptions(Path("/data"), "", ()), own
    )

    assert told["LODESTONE_WATERMARK_DETECTOR"] == "mine"
    assert told["LODESTONE_WATERMARK_BACKEND"] == "embedder"
    assert told["LODESTONE_EMBEDDER"] == where.embedder
    assert untold["LODESTONE_WATERMARK_DETECTOR"] == "theirs"
    assert "LODESTONE_WATERMARK_BACKEND" not in untold
    assert "LODESTONE_WATERMARK_DETECTOR" not in service_environment(
        place("crawler", where), where, options, {}
    )


def test_with_certificates_each_service_has_its_own():
    """And health a port of its own, below the service's; without, neither."""
    where = Addresses(crawler="127.0.0.1:6004")
    options = UpOptions(Path("/data"), "", (), certificates=Path("/certs"))
    mine = {"LODESTONE_TLS": "/certs/person"}

    novelty = service_environment(place("novelty", where), where, options, mine)
    crawler = service_environment(place("crawler", where), where, options, mine)
    plain = service_environment(
        place("novelty", where), where, UpOptions(Path("/data"), "", ()), {}
    )

    assert novelty["LODESTONE_TLS"] == "/certs/novelty"
    assert novelty["LODESTONE_NOVELTY_HEALTH_PORT"] == "40052"
    assert crawler["LODESTONE_TLS"] == "/certs/crawler"
    assert crawler["LODESTONE_CRAWLER_HEALTH_PORT"] == "0"
    assert "LODESTONE_TLS" not in plain


def test_up_without_a_certificate_for_a_service_is_one_line(up, tmp_path):
    """What makes them is named; nothing is started."""
    (tmp_path / "certs" / "embedder").mkdir(parents=True)
    process = up(LODESTONE_TLS=str(tmp_path / "certs" / "person"))
    assert process.wait(60) == 1
    assert (tmp_path / "err").read_text() == (
        f"error: the novelty service has no certificate: {tmp_path}/certs/novelty is not there; "
        "`lodestone certs DIR` makes one for each, and LODESTONE_TLS=DIR/person is yours\n"
    )
    assert not (tmp_path / "data").exists()
