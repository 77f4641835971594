"""Mines the sample site through the processes of the overlay `local`, and tells what happened as JSON.

Runs in a network and mounts of its own: `unshare --net --mount python -m tests.deploy.mining FOLDER SITE LIKED`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import grpc
import yaml

from lodestone.crawler.v1.crawler_service_pb2 import ListCrawlsRequest
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from samples.site_server import _Server
from tests.deploy.cluster import Cluster, is_serving
from tests.deploy.manifests import K8S, ROOT, SERVICES, default, rendered
from tests.postgres.server import PostgresServer

# Any address that the crawler's guard passes: nothing leaves this network.
SITE = "1.2.3.4"
MODELS = ("embedder", "novelty", "watermark")
_WEED = Path(sys.prefix) / "bin" / "weed"


def main():
    folder, site, liked = (Path(word) for word in sys.argv[1:])
    for words in (("link", "set", "lo", "up"), ("addr", "add", f"{SITE}/32", "dev", "lo")):
        subprocess.run(["ip", *words], check=True)
    certificates = folder / "certs"
    lodestone(folder, "certs", str(certificates))
    secrets = read_secrets(certificates, folder / "written")
    with Cluster(rendered("local"), secrets, folder) as cluster, web(site):
        cluster.start("store", _WEED)
        for word in MODELS:
            cluster.start(word)
        with catalogue(cluster):
            cluster.start("crawler")
            told = run(cluster, certificates, liked)
    sys.stdout.write(json.dumps(told))


def run(cluster, certificates, liked):
    for name in ("store", *SERVICES):
        cluster.wait_ready(name)
    person = certificates / "person"
    told = {}
    told["fit"] = lodestone(cluster.folder, "profile", "fit", "hills", str(liked), tls=person)
    told["crawl"] = lodestone(
        cluster.folder, "crawl", f"http://{SITE}/", "--profile", "hills", tls=person
    )
    told["images"] = lodestone(cluster.folder, "images", "list", tls=person)
    told["facts"] = {name: cluster.facts(name) for name in ("store", *SERVICES)}
    told["environment"] = {word: cluster.environment(word) for word in SERVICES}
    told["command"] = {word: cluster.command(word) for word in SERVICES}
    told["alive"] = [
        word
        for word in SERVICES
        if is_serving(**cluster.overlay.container(word)["livenessProbe"]["grpc"])
    ]
    told["codes"] = {
        "nobody": code(None),
        "person": code(person),
        "embedder": code(certificates / "embedder"),
        "health port": code(None, default("crawler", "health_port")),
    }
    told["metrics"] = {word: metrics(word) for word in SERVICES}
    told["ends"] = {word: cluster.stop(word) for word in reversed(SERVICES)}
    return told


def read_secrets(certificates, folder):
    """As the script of the overlay writes them."""
    script = K8S / "overlays" / "local" / "secrets.sh"
    subprocess.run([script, certificates, folder], check=True, capture_output=True)
    found = {}
    for path in folder.glob("*.yaml"):
        for one in filter(None, yaml.safe_load_all(path.read_text())):
            if one["kind"] == "Secret":
                data = {key: base64.b64decode(value) for key, value in one["data"].items()}
                found[one["metadata"]["name"]] = data
    return found


@contextlib.contextmanager
def catalogue(cluster):
    """A PostgreSQL server in place of that image: its port, password and database are the manifest's."""
    port = cluster.overlay.container("catalogue")["ports"][0]["containerPort"]
    password = cluster.secrets["catalogue-server"]["password"].decode()
    server = PostgresServer(port, password)
    try:
        database = cluster.overlay.environment("catalogue")["POSTGRES_DB"]
        server.execute(f"CREATE DATABASE {database}")
        yield
    finally:
        server.close()


@contextlib.contextmanager
def web(folder):
    """The sample site, at a public address and port."""
    with _Server((SITE, 80), folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def lodestone(folder, *words, tls=None):
    """A person's command, as after `kubectl port-forward`."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("LODESTONE_")
    }
    if tls is not None:
        variables["LODESTONE_TLS"] = str(tls)
    done = subprocess.run(
        [sys.executable, "-m", "lodestone.cli", *words, "--json"],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stderr}\n" + "\n".join(
        path.read_text()[-3_000:] for path in folder.glob("*.log")
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def code(tls, port=None):
    """What becomes of a call of the crawler with somebody's certificate."""
    address = f"localhost:{port or default('crawler', 'port')}"
    if tls is None:
        channel = grpc.insecure_channel(address)
    else:
        files = [(tls / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")]
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(*files))
    with channel:
        try:
            CrawlerServiceStub(channel).ListCrawls(ListCrawlsRequest(), timeout=5)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


def metrics(word):
    url = f"http://127.0.0.1:{default(word, 'metrics_port')}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    main()
