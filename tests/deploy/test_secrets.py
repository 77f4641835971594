"""The Secrets of the overlay `local`, as `make secrets` writes them."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess

import pytest
import yaml
from sqlalchemy import make_url

from tests.deploy.manifests import K8S, SERVICES, rendered
from tests.deploy.test_pods import CERTIFICATE, secret_keys

SCRIPT = K8S / "overlays" / "local" / "secrets.sh"


@pytest.fixture
def certificates(tmp_path):
    folder = tmp_path / "certs"
    for name in (*SERVICES, "person"):
        (folder / name).mkdir(parents=True)
        for file in CERTIFICATE:
            (folder / name / file).write_text(f"{name} {file}")
    return folder


def write(certificates, folder):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which writes the Secrets, is not installed")
    subprocess.run([SCRIPT, certificates, folder], check=True, capture_output=True)
    found = {}
    for path in sorted(folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        for one in filter(None, yaml.safe_load_all(path.read_text())):
            if one["kind"] == "Secret":
                assert one["metadata"]["namespace"] == "lodestone"
                found[one["metadata"]["name"]] = {
                    key: base64.b64decode(value).decode() for key, value in one["data"].items()
                }
    return found


def test_every_key_that_the_overlay_reads_is_written(certificates, tmp_path):
    """And besides only those of a person, who is outside."""
    secrets = write(certificates, tmp_path / "secrets")
    written = {(name, key) for name, keys in secrets.items() for key in keys}
    assert written - secret_keys(rendered("local")) == {("person-tls", key) for key in CERTIFICATE}
    assert secret_keys(rendered("local")) <= written
    assert secrets["crawler-tls"]["tls.key"] == "crawler tls.key"


def test_servers_and_the_crawler_have_the_same_passwords(certificates, tmp_path):
    """Each its own; and the crawler finds the database under the name of its Service."""
    secrets = write(certificates, tmp_path / "secrets")
    url = make_url(secrets["lodestone-catalogue"]["url"])
    server = rendered("local").environment("catalogue")
    assert (url.username, url.database) == (server["POSTGRES_USER"], server["POSTGRES_DB"])
    assert (url.host, url.port) == ("catalogue", 5432)
    assert url.password == secrets["catalogue-server"]["password"]
    (identity,) = json.loads(secrets["store-server"]["s3.json"])["identities"]
    keys = secrets["lodestone-store"]
    assert identity["credentials"] == [
        {"accessKey": keys["access-key-id"], "secretKey": keys["secret-access-key"]}
    ]
    passwords = {url.password, *keys.values()}
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 32


def test_passwords_stay_and_certificates_are_new(certificates, tmp_path):
    """A server was set up with the passwords; certificates are made again when they end."""
    first = write(certificates, tmp_path / "secrets")
    (certificates / "novelty" / "tls.crt").write_text("another")
    second = write(certificates, tmp_path / "secrets")
    assert second["novelty-tls"]["tls.crt"] == "another"
    for name in ("lodestone-catalogue", "lodestone-store", "catalogue-server", "store-server"):
        assert first[name] == second[name]
