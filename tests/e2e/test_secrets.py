"""Every secret that a service takes is planted, all that can fail does, and then everything written is searched."""

from __future__ import annotations

import base64
import http.client
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from lodestone.cli.up.ports import metrics_port
from tests.e2e.conftest import ROOT, WORDS, Lodestone
from tests.fakes.canary import CANARY, has_canary
from tests.hostile.failing_web import FailingWeb

pytestmark = pytest.mark.e2e

_USER, _PASSWORD = f"{CANARY}user", f"{CANARY}password"
# Keys of webhooks are in base64.
_SIGNING = f"whsec_{base64.b64encode(f'{CANARY:_<24}'.encode()).decode()}"
_INTERFACES = (
    "https://api.flickr.com",
    "https://api.imgur.com",
    "https://oauth.reddit.com",
    "https://www.reddit.com",
)
# Pages that only an interface knows; behind them lies nothing that may be asked.
_KEYED = (
    "https://imgur.com/a/AbCdE12",
    "https://live.staticflickr.com/1/12345678901_abcdef0123_b.jpg",
    "reddit:r/earthporn",
)
_WORKER = "services.crawler.decoding.worker"


def secret_names() -> list[str]:
    """The environment variable of each secret that a service's settings have."""
    names = []
    for word in WORDS:
        settings = getattr(
            importlib.import_module(f"services.{word}.config"), f"{word.title()}Settings"
        )
        prefix = settings.model_config["env_prefix"]
        for name, facts in settings.model_fields.items():
            if facts.annotation is SecretStr:
                names.append(f"{prefix}{name}".upper())
    return names


def planted(folder: Path, proxy_port: int, catalogue: str) -> dict[str, str]:
    """An environment with a canary for each secret: in turn itself and a file that has it."""
    used = {
        "LODESTONE_CRAWLER_CATALOGUE": catalogue,
        "LODESTONE_CRAWLER_EGRESS_PROXY": f"http://{_USER}:{_PASSWORD}@127.0.0.1:{proxy_port}",
        "LODESTONE_CRAWLER_SINKS": json.dumps({"hook": f"webhook:http://127.0.0.1:1/{CANARY}"}),
        "LODESTONE_CRAWLER_SINK_SECRETS": json.dumps({"hook": _SIGNING}),
    }
    environment = {}
    for number, name in enumerate(secret_names()):
        secret = used.get(name, f"{CANARY}{number}")
        if number % 2 == 0:
            environment[name] = secret
            continue
        file = folder / name
        file.write_text(f"{secret}\n")
        environment[f"{name}_FILE"] = str(file)
    return environment


@dataclass
class Crawled:
    """What is left of the crawl.

    Attributes:
        running: Lodestone, still up.
        web: The servers that it asked.
        outputs: What each command printed.
        catalogue: Every row of it, as text.
        settled: The events of the crawl.
        command_lines: Of every process while all ran.
        environments: Of the services and workers, by the last word of their command lines' modules.
    """

    running: Lodestone
    web: FailingWeb
    outputs: dict[str, str]
    catalogue: str
    settled: list[dict[str, str]]
    command_lines: list[str]
    environments: dict[str, list[str]]


@pytest.fixture(scope="module")
def crawled(tmp_path_factory, pictures, postgres) -> Iterator[Crawled]:
    """A crawl of a site that fails in every way, with a canary for every secret; the catalogue is in PostgreSQL."""
    folder = tmp_path_factory.mktemp("secrets")
    photo = (pictures / "site" / "find-0.jpg").read_bytes()
    with FailingWeb(_USER, _PASSWORD, photo=photo) as web, postgres.database() as url:
        ports = [*web.site_ports, web.interfaces_port]
        allowed = [f"--allow-address=127.0.0.1:{port}" for port in ports]
        # Without a contact: whatever goes wrong, no stranger is asked.
        running = Lodestone(folder, *allowed)
        running.environment |= planted(folder, web.proxy_port, postgres.address(url.database))
        bases = dict.fromkeys(_INTERFACES, f"http://api.localhost:{web.interfaces_port}")
        running.environment["LODESTONE_CRAWLER_API_BASES"] = json.dumps(bases)
        running.start()
        try:
            yield crawl(running, web, folder, pictures, lambda: postgres.dump(url.database))
        finally:
            running.stop()


def crawl(
    running: Lodestone, web: FailingWeb, folder: Path, pictures: Path, dump: Callable[[], str]
) -> Crawled:
    listed = folder / "list.txt"
    listed.write_text("\n".join(web.urls()))
    running.ask("profile", "fit", "hills", str(pictures / "liked"))
    keyed = []
    for number, address in enumerate(_KEYED):
        source = address
        if address.startswith("https:"):
            source = str(folder / f"keyed-{number}.txt")
            Path(source).write_text(address)
        keyed.append(("crawl", source, "--profile", "hills", "--json"))
    outputs, commands = {}, (
        ("crawl", str(listed), "--profile", "hills", "--json"),
        ("crawl", f"http://missing.localhost:{web.site_ports[0]}/missing", "--profile", "hills", "--json"),
        *keyed,
        ("sources", "--json"),
        ("sources", "--hosts"),
        ("images", "list", "--json"),
        ("purge", "--host", "fine.localhost", "--dry-run"),
        ("judge", str(listed), "--profile", "hills"),
    )  # fmt: skip
    for words in commands:
        done = running.run(*words)
        outputs[" ".join(words)] = done.stdout + done.stderr
    events = [json.loads(line) for line in next(iter(outputs.values())).splitlines()]
    lines, environments = processes(running)
    return Crawled(running, web, outputs, dump(), events, lines, environments)


def processes(running: Lodestone) -> tuple[list[str], dict[str, list[str]]]:
    """All command lines that can be read, and the environments of what `lodestone up` has started."""
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    environments: dict[str, list[str]] = {}
    for child in psutil.Process(running._process.pid).children(recursive=True):
        words = child.cmdline()
        module = words[words.index("-m") + 1] if "-m" in words else ""
        found = Path(f"/proc/{child.pid}/environ").read_bytes()
        environments.setdefault(module, []).append(found.decode("latin-1"))
    return lines, environments


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_secrets_were_in_use(crawled: Crawled) -> None:
    """The proxy was told them, and each of many failures has come about: the search has something to search."""
    assert len(crawled.web.told) > 30
    assert all(has_canary(told) for told in crawled.web.told)
    told = [head for head in crawled.web.asked() if has_canary(head)]
    for word in ("/3/album/", "/services/rest/", "/api/v1/access_token"):
        assert any(word in head for head in told), word
    reasons = {one.get("outcome_reason", "") for one in crawled.settled}
    assert reasons >= {
        "NOT_FOUND", "REFUSED", "SERVER_ERROR", "UNREACHABLE", "BAD_URL", "FORBIDDEN_ADDRESS", "TOO_MANY_REDIRECTS",
        "INCOMPLETE", "CONTENT_ENCODING", "RATE_LIMITED", "TLS_FAILED", "OPTED_OUT", "PLACEHOLDER",
        "UNSUPPORTED_FORMAT", "TRUNCATED", "TOO_MANY_PIXELS", "METADATA_BOMB", "TOO_SMALL", "EXTREME_ASPECT",
    }  # fmt: skip
    assert any(one.get("outcome") == "FETCHED" for one in crawled.settled)


def test_no_file_has_a_secret(crawled: Crawled) -> None:
    """Sidecars, blobs, profiles, logs and what `lodestone up` has printed, and no row of the catalogue."""
    files = [*files_of(crawled.running.data), crawled.running._folder / "up.out"]
    names = {path.name for path in files}
    assert {"crawler.log", "embedder.log", "up.out"} <= names
    assert "catalog.sqlite" not in names
    assert any(path.suffix == ".json" and "blobs" in path.parts for path in files)
    assert "missing.localhost" in crawled.catalogue
    assert not has_canary(crawled.catalogue)
    log = (crawled.running.data / "logs" / "crawler.log").read_bytes()
    assert b"TLS_FAILED" in log
    assert b"sink_waits" in log
    assert [str(path) for path in files if has_canary(path.read_bytes())] == []


def test_no_command_prints_a_secret(crawled: Crawled) -> None:
    """Outcomes, yields, images and errors, as they are and as JSON."""
    assert len(crawled.outputs) == 10
    assert [words for words, output in crawled.outputs.items() if has_canary(output)] == []


def test_no_command_line_has_a_secret(crawled: Crawled) -> None:
    """Whoever lists the processes of this machine sees none."""
    assert any("services.crawler" in line for line in crawled.command_lines)
    assert [line for line in crawled.command_lines if has_canary(line)] == []


def test_only_the_crawler_has_its_secrets(crawled: Crawled) -> None:
    """Neither the decoder's workers nor other services find them in their environment."""
    environments = crawled.environments
    assert any(has_canary(one) for one in environments["services.crawler"])
    assert environments[_WORKER]
    for module in (_WORKER, "services.embedder", "services.novelty", "services.watermark"):
        assert not any(has_canary(one) for one in environments[module]), module


def test_metrics_have_no_secret(crawled: Crawled) -> None:
    """What every service counts."""
    for word, port in crawled.running.ports.items():
        connection = http.client.HTTPConnection("127.0.0.1", metrics_port(port), timeout=10)
        connection.request("GET", "/metrics")
        body = connection.getresponse().read()
        connection.close()
        assert b"# HELP" in body, word
        assert not has_canary(body), word


def test_the_site_is_not_told_what_the_proxy_is(crawled: Crawled) -> None:
    """Credentials of the proxy go to the proxy."""
    heads = crawled.web.heads()
    assert len(heads) > 30
    assert not any(has_canary(head) for head in heads)


@pytest.mark.parametrize("name", secret_names())
def test_a_secret_that_cannot_be_used_is_not_quoted(name: str, tmp_path: Path) -> None:
    """A crawler that does not start says which setting is wrong, not what it was."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "LODESTONE_DATA": str(tmp_path / "data"),
        "LODESTONE_CRAWLER_PORT": "0",
        "LODESTONE_CRAWLER_METRICS_PORT": "0",
        # A byte that is no text, in every secret's file.
        f"{name}_FILE": str(tmp_path / "secret"),
    }
    (tmp_path / "secret").write_bytes(CANARY.encode() + b"\xff")
    word = name.split("_")[1].lower()
    done = subprocess.run(
        [sys.executable, "-m", f"services.{word}"],
        cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert f"{name}_FILE".encode() in done.stderr
    assert not has_canary(done.stdout + done.stderr)


def test_a_proxy_that_is_none_is_not_quoted(tmp_path: Path) -> None:
    """The URL of the proxy may hold a password, and is not shown when it is wrong."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "LODESTONE_DATA": str(tmp_path / "data"),
        "LODESTONE_CRAWLER_PORT": "0",
        "LODESTONE_CRAWLER_METRICS_PORT": "0",
        "LODESTONE_CRAWLER_EGRESS_PROXY": f"socks5://{_USER}:{_PASSWORD}@127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.crawler"],
        cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert b"egress proxy" in done.stderr
    assert not has_canary(done.stdout + done.stderr)


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """As text, in a header's base64, as hex digits, and in the middle of a binary file."""
    for number, text in enumerate(
        (
            CANARY.encode(),
            base64.b64encode(f"{_USER}:{_PASSWORD}".encode()),
            base64.b64encode(f"me:{CANARY}".encode()),
            CANARY.encode().hex().encode(),
        )
    ):
        (tmp_path / str(number)).write_bytes(bytes(999) + text + bytes(9))
    (tmp_path / "other").write_bytes(b"canary")
    found = [path.name for path in files_of(tmp_path) if has_canary(path.read_bytes())]
    assert sorted(found) == ["0", "1", "2", "3"]
