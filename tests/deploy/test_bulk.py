"""The Job that mines a table's shards."""

from __future__ import annotations

import os
import re
import subprocess

from services.crawler.bulk.__main__ import _parse
from services.servicekit.settings import EXIT_MISCONFIGURED
from tests.deploy.manifests import rendered


def job():
    return rendered("bulk").one("Job", "bulk")["spec"]


def arguments():
    """As Kubernetes gives them, with the variables put in."""
    variables = rendered("bulk").environment("bulk") | {"JOB": "uid"}
    args = rendered("bulk").container("bulk")["args"]
    return [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], one) for one in args]


def test_there_are_as_many_indexes_as_parts():
    """A part without an index would never be mined."""
    assert job()["completionMode"] == "Indexed"
    options = _parse([*arguments(), "--index=3"])
    assert options.of == job()["completions"]
    assert options.index == 3
    assert options.profile == rendered("bulk").environment("bulk")["PROFILE"]


def test_pods_and_crawlers_see_the_shards_under_one_path():
    """The Job names files that the crawlers read, they read no others, and nobody writes to them."""
    bulk = rendered("bulk")
    shards = _parse(arguments()).shards
    assert shards.name == bulk.environment("bulk")["TABLE"]
    claims = set()
    for name in ("bulk", "crawler"):
        mount = bulk.mounts(name)[str(shards.parent)]
        assert mount["readOnly"]
        claims.add(bulk.volumes(name)[mount["name"]]["persistentVolumeClaim"]["claimName"])
    assert bulk.environment("crawler")["LODESTONE_CRAWLER_LOCAL_FOLDER"] == str(shards.parent)
    (claim,) = claims
    assert bulk.one("PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteMany"]


def test_it_waits_until_somebody_has_brought_the_table(tmp_path):
    """Into the claim, where the init container may write; until then no index can fail for good."""
    bulk = rendered("bulk")
    (waiting,) = bulk.pod("bulk")["initContainers"]
    (mount,) = waiting["volumeMounts"]
    shards = _parse(arguments()).shards
    assert mount == {
        "name": bulk.mounts("bulk")[str(shards.parent)]["name"],
        "mountPath": str(shards.parent),
    }
    assert "readOnly" not in bulk.volumes("bulk")[mount["name"]]["persistentVolumeClaim"]
    (entry,) = waiting["env"]
    assert entry in bulk.container("bulk")["env"]
    [script] = waiting["args"]
    words = [*waiting["command"], script.replace(mount["mountPath"], str(tmp_path))]
    environment = {"TABLE": shards.name, "PATH": os.environ["PATH"]}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == f"waiting for {shards.name}\n"
        shell.kill()
    (tmp_path / shards.name).mkdir()
    assert subprocess.run(words, env=environment, timeout=5, check=False).returncode == 0


def test_it_asks_under_a_name_of_its_own():
    """The crawlers, at the port of their Service; the job's id makes a second pod wait for the same crawl."""
    bulk = rendered("bulk")
    assert bulk.volumes("bulk")["tls"]["secret"]["secretName"] == "bulk-tls"
    assert bulk.environment("bulk")["LODESTONE_CRAWLER"] == "crawler:50054"
    (entry,) = (one for one in bulk.container("bulk")["env"] if one["name"] == "JOB")
    path = entry["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['batch.kubernetes.io/controller-uid']"


def test_what_cannot_succeed_is_not_tried_again():
    """By the exit status that supervisors must not restart; a drained node is no failure."""
    ignored, failed = job()["podFailurePolicy"]["rules"]
    assert ignored["action"] == "Ignore"
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert failed["action"] == "FailIndex"
    assert failed["onExitCodes"]["values"] == [EXIT_MISCONFIGURED]
    assert rendered("bulk").pod("bulk")["restartPolicy"] == "Never"
