"""The Secrets of the overlay `local`, as `make secrets` writes them."""

from __future__ import annotations

import base64
import json
import os
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
    for name in (*SERVICES, "person", "bulk"):
        (folder / name).mkdir(parents=True)
        for file in CERTIFICATE:
            (folder / name / file).write_text(f"{name} {file}")
    return folder


def write(certificates, folder, **given):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which writes the Secrets, is not installed")
    subprocess.run([SCRIPT, certificates, folder], check=True, capture_output=True, **given)
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
    """And nothing else: a person is outside, and keeps what is theirs there."""
    secrets = write(certificates, tmp_path / "secrets")
    written = {(name, key) for name, keys in secrets.items() for key in keys}
    assert secret_keys(rendered("local")) == written
    assert secrets["crawler-tls"]["tls.key"] == "crawler tls.key"


def test_servers_and_the_crawler_have_the_same_passwords(certificates, tmp_path):
    """Each its own; and the crawler finds the database under the name of its Service."""
    secrets = write(certificates, tmp_path / "secrets")
    url = make_url(secrets["lodestone-catalogue"]["url"])
    script = rendered("local").scripts("catalogue")["crawler.sql"]
    assert f"CREATE ROLE {url.username} LOGIN " in script
    assert f"CREATE DATABASE {url.database} OWNER {url.username};" in script
    assert rendered("local").environment("catalogue")["POSTGRES_USER"] != url.username
    assert (url.host, url.port) == ("catalogue", 5432)
    assert url.password == secrets["catalogue-server"]["crawler-password"]
    (identity,) = json.loads(secrets["store-server"]["s3.json"])["identities"]
    keys = secrets["lodestone-store"]
    assert identity["credentials"] == [
        {"accessKey": keys["access-key-id"], "secretKey": keys["secret-access-key"]}
    ]
    bucket = (
        rendered("local").environment("crawler")["LODESTONE_CRAWLER_STORE"].removeprefix("s3://")
    )
    assert {action.rpartition(":")[2] for action in identity["actions"]} == {bucket}
    passwords = {*secrets["catalogue-server"].values(), *keys.values()}
    assert len(passwords) == 4
    assert min(map(len, passwords)) >= 32


def test_passwords_are_on_no_command_line(certificates, tmp_path):
    """Which everybody on the machine may read: kubectl gets files."""
    called, program = tmp_path / "called", tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    real = shutil.which("kubectl")
    program.write_text(f'#!/bin/bash\necho "$@" >> {called}\nexec {real} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    secrets = write(certificates, tmp_path / "secrets", env=os.environ | {"PATH": path})
    lines = called.read_text()
    for name in ("catalogue-server", "lodestone-catalogue", "store-server", "lodestone-store"):
        assert name in lines
        assert not any(value in lines for value in secrets[name].values())
    assert "literal" not in lines


def test_passwords_stay_and_certificates_are_new(certificates, tmp_path):
    """A server was set up with the passwords; certificates are made again when they end."""
    first = write(certificates, tmp_path / "secrets")
    (certificates / "novelty" / "tls.crt").write_text("another")
    second = write(certificates, tmp_path / "secrets")
    assert second["novelty-tls"]["tls.crt"] == "another"
    for name in ("lodestone-catalogue", "lodestone-store", "catalogue-server", "store-server"):
        assert first[name] == second[name]


def rewrite(folder, change):
    """Changes the passwords that are there, and writes them as kubectl does."""
    path = folder / "passwords.yaml"
    objects = [one for one in yaml.safe_load_all(path.read_text()) if one]
    data = {one["metadata"]["name"]: one["data"] for one in objects}
    change(data)
    path.write_text("".join(f"{yaml.safe_dump(one)}---\n" for one in objects))


def test_what_an_earlier_version_did_not_write_is_added(certificates, tmp_path):
    """The crawler's password was in its URL alone, and is the same now; all else stays as it was."""
    folder = tmp_path / "secrets"
    before = write(certificates, folder)
    password = before["catalogue-server"].pop("crawler-password")
    rewrite(folder, lambda data: data["catalogue-server"].pop("crawler-password"))
    after = write(certificates, folder)
    assert after["catalogue-server"].pop("crawler-password") == password
    assert after == before


def test_half_a_pair_of_keys_is_made_again(certificates, tmp_path):
    """A key without its id fits nothing; the server is told the new pair."""
    folder = tmp_path / "secrets"
    before = write(certificates, folder)
    rewrite(folder, lambda data: data["lodestone-store"].pop("access-key-id"))
    after = write(certificates, folder)
    assert after["catalogue-server"] == before["catalogue-server"]
    assert after["lodestone-catalogue"] == before["lodestone-catalogue"]
    (identity,) = json.loads(after["store-server"]["s3.json"])["identities"]
    keys = after["lodestone-store"]
    assert keys["secret-access-key"] != before["lodestone-store"]["secret-access-key"]
    assert identity["credentials"] == [
        {"accessKey": keys["access-key-id"], "secretKey": keys["secret-access-key"]}
    ]
