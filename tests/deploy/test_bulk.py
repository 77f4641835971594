"""The Job that mines a table's shards."""

from __future__ import annotations

import re

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
    """The Job names files that the crawlers read, and nobody writes to them."""
    bulk = rendered("bulk")
    path = str(_parse(arguments()).shards)
    claims = set()
    for name in ("bulk", "crawler"):
        mount = bulk.mounts(name)[path]
        assert mount["readOnly"]
        claims.add(bulk.volumes(name)[mount["name"]]["persistentVolumeClaim"]["claimName"])
    (claim,) = claims
    assert bulk.one("PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteMany"]


def test_it_is_a_person_who_asks():
    """Of the crawlers, at the port of their Service; the job's id makes a second pod wait for the same crawl."""
    bulk = rendered("bulk")
    assert bulk.volumes("bulk")["tls"]["secret"]["secretName"] == "person-tls"
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
