"""Mines the sample site through the processes of the overlay `local`, and tells what happened as JSON.

Runs in namespaces of its own, as `test_processes.py` starts it: `python -m tests.deploy.mining FOLDER SITE LIKED`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import grpc
import yaml

from lodestone.crawler.v1.crawler_service_pb2 import ListCrawlsRequest
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from samples.site_server import _Server
from tests.deploy.cluster import Cluster
from tests.deploy.manifests import K8S, ROOT, SERVICES, default, rendered
from tests.deploy.pod_network import Forward
from tests.postgres.server import PostgresServer

# Any address that the crawler's guard passes: nothing leaves this network.
SITE = "1.2.3.4"
MODELS = ("embedder", "novelty", "watermark")
_WEED = Path(sys.prefix) / "bin" / "weed"


def main():
    folder, site, liked = (Path(word) for word in sys.argv[1:])
    certificates = folder / "certs"
    lodestone(folder, "certs", str(certificates))
    secrets = read_secrets(certificates, folder / "written")
    with Cluster(rendered("local"), secrets, folder) as cluster:
        cluster.network.start(SITE)
        cluster.start("store", _WEED)
        for word in MODELS:
            cluster.start(word)
        with web(site), catalogue(cluster, secrets["catalogue-server"]):
            cluster.start("crawler")
            told = run(cluster, certificates, liked)
    sys.stdout.write(json.dumps(told))


def run(cluster, certificates, liked):
    for name in ("store", *SERVICES):
        cluster.wait_ready(name)
    with contextlib.ExitStack() as stack:
        for word in SERVICES:
            stack.enter_context(cluster.forward(word, default(word, "port")))
        told = mine(cluster, certificates, liked)
        told["renewed"] = renew(cluster, certificates)
    pods = {word: cluster.pods[word] for word in reversed(SERVICES)}
    told["ends"] = {pod: cluster.stop(word, pod) for word, found in pods.items() for pod in found}
    return told


def mine(cluster, certificates, liked):
    """As a person, after `kubectl port-forward`."""
    person, pods = certificates / "person", {word: cluster.pods[word] for word in SERVICES}
    told = {"pods": pods}
    told["fit"] = lodestone(cluster.folder, "profile", "fit", "hills", str(liked), tls=person)
    told["crawl"] = lodestone(
        cluster.folder, "crawl", f"http://{SITE}/", "--profile", "hills", tls=person
    )
    told["images"] = lodestone(cluster.folder, "images", "list", tls=person)
    told["facts"], told["fetched"], told["metrics"] = {}, {}, {}
    for word, found in pods.items():
        for pod in found:
            told["facts"][pod] = cluster.facts(pod) | {
                "wanted_command": cluster.command(word),
                "wanted_environment": cluster.environment(word, pod),
                "is_alive": cluster.answers(word, pod, "livenessProbe"),
            }
            told["fetched"][pod] = cluster.log(pod).read_text().count('"event": "fetch"')
            told["metrics"][pod] = metrics(cluster.network.addresses[pod], word)
    health = f"{cluster.network.addresses[pods['crawler'][0]]}:{default('crawler', 'health_port')}"
    told["codes"] = {
        "nobody": code(None),
        "person": code(person),
        "embedder": code(certificates / "embedder"),
        "health port": code(None, health),
    }
    return told


def renew(cluster, certificates):
    """New certificates in the Secrets: which pods show them, and what becomes of a person's next call."""
    before = expiries(cluster)
    lodestone(cluster.folder, "certs", str(certificates), "--renew", "--days", "90")
    cluster.renew(read_secrets(certificates, cluster.folder / "written"))
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if all(now < before[pod] for pod, now in expiries(cluster).items()):
            break
        time.sleep(0.2)
    pods = [pod for pod, now in expiries(cluster).items() if now < before[pod]]
    return {"pods": pods, "code": code(certificates / "person")}


def expiries(cluster):
    """When the certificate expires that each pod shows."""
    found = {}
    for word in SERVICES:
        for pod in cluster.pods[word]:
            text = metrics(cluster.network.addresses[pod], word)
            name = f"lodestone_{word}_certificate_not_after_seconds"
            found[pod] = float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])
    return found


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
def catalogue(cluster, secret):
    """A PostgreSQL server in place of that pod: address, port, users, passwords and database are the manifest's."""
    port = cluster.overlay.container("catalogue")["ports"][0]["containerPort"]
    user = cluster.overlay.environment("catalogue")["POSTGRES_USER"]
    server = PostgresServer(port, secret["password"].decode(), user)
    try:
        password = cluster.folder / "crawler-password"
        password.write_bytes(secret["crawler-password"])
        script = cluster.overlay.scripts("catalogue")["crawler.sql"]
        server.psql(script.replace("/secrets/crawler-password", str(password)))
        rights = "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication"
        [[has_any]] = server.execute(f"SELECT {rights} FROM pg_roles WHERE rolname = 'crawler'")
        assert not has_any
        [pod] = cluster.pods["catalogue"]
        address = cluster.network.addresses[pod]
        cluster.network.add(address)
        with Forward((address, port), ("127.0.0.1", port)):
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


def code(tls, address=f"localhost:{default('crawler', 'port')}"):
    """What becomes of a call of the crawler with somebody's certificate."""
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


def metrics(address, word):
    url = f"http://{address}:{default(word, 'metrics_port')}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    main()
