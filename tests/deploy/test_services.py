"""What each service's manifest says, against the service itself, in every overlay."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from tests.deploy.manifests import (
    NAME,
    WORKLOADS,
    default,
    rendered,
    settings_class,
    settings_names,
)

PRE_STOP_S = 5
PART_OF = {"app.kubernetes.io/part-of": "lodestone"}


def test_ports_are_the_ones_the_service_serves_on(overlay, word):
    """The container's and the Service's ports are the settings' defaults; health is for the kubelet alone."""
    expected = {
        "grpc": default(word, "port"),
        "health": default(word, "health_port"),
        "metrics": default(word, "metrics_port"),
    }
    ports = {port["name"]: port["containerPort"] for port in overlay.container(word)["ports"]}
    assert ports == expected
    assert overlay.environment(word)[f"LODESTONE_{word.upper()}_HEALTH_PORT"] == str(
        ports["health"]
    )
    del expected["health"]
    ports = overlay.one("Service", word)["spec"]["ports"]
    assert {port["name"]: port["port"] for port in ports} == expected
    assert all(port["targetPort"] == port["name"] for port in ports)


def test_the_kubelet_asks_the_health_port(overlay, word):
    """It has no certificate. Alive is not ready: a model that is away for a while is no reason to start again."""
    health = default(word, "health_port")
    container = overlay.container(word)
    for probe in ("startupProbe", "readinessProbe"):
        assert set(container[probe]["grpc"].items()) - {("service", "")} == {("port", health)}
    assert container["livenessProbe"]["grpc"] == {"port": health, "service": "liveness"}


def test_a_start_may_take_minutes_and_liveness_is_patient(overlay, word):
    """The liveness probe bears more than the readiness probe, by far."""

    def patience_s(probe):
        facts = overlay.container(word)[probe]
        return facts["periodSeconds"] * facts["failureThreshold"]

    assert patience_s("startupProbe") >= 120
    assert patience_s("readinessProbe") <= 15
    assert patience_s("livenessProbe") >= 300


def test_names_and_labels_agree(overlay, word):
    """One word finds everything of a service: its pods, Service, account, budget, autoscaler and policy."""
    selector = {NAME: word}
    deployment = overlay.one("Deployment", word)
    for kind in (
        *("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "NetworkPolicy"),
    ):
        assert overlay.one(kind, word)["metadata"]["labels"] == PART_OF | selector, kind
    assert deployment["spec"]["template"]["metadata"]["labels"] == PART_OF | selector
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert overlay.one(kind, word)["spec"]["selector"] == {"matchLabels": selector}
    service = overlay.one("Service", word)["spec"]
    assert service["selector"] == selector
    assert service["clusterIP"] == "None"
    assert overlay.container(word)["name"] == overlay.pod(word)["serviceAccountName"] == word


def test_every_variable_is_a_setting_and_the_settings_accept_them(overlay, word, monkeypatch):
    """A misspelt variable or a bad value would end the start, and only be seen in the cluster."""
    variables, names = overlay.environment(word), settings_names(word)
    assert set(variables) <= set(names)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = settings_class(word)()
    settings.require_safe_bind()
    assert not settings.insecure
    assert settings.address == f"0.0.0.0:{default(word, 'port')}"
    assert str(settings.data) == "/data"
    assert not overlay.pod(word)["enableServiceLinks"]


def test_no_secret_is_a_variable(overlay):
    """Children and crash reports would have it; what is secret comes as a file."""
    for workload in overlay.of(*WORKLOADS):
        for entry in overlay.container(workload["metadata"]["name"]).get("env", []):
            assert "secretKeyRef" not in entry.get("valueFrom", {})
    secret = {
        name for name, field in settings_names("crawler").items() if "SecretStr" in repr(
            settings_class("crawler").model_fields[field].annotation
        ) and not name.endswith("_FILE")
    }  # fmt: skip
    assert secret
    assert secret.isdisjoint(overlay.environment("crawler"))


def test_the_crawler_finds_each_model_service_by_its_service(overlay):
    """The addresses name the headless Services and their ports."""
    variables = overlay.environment("crawler")
    for word in ("embedder", "novelty", "watermark"):
        expected = f"dns:///{word}:{default(word, 'port')}"
        assert variables[f"LODESTONE_{word.upper()}"] == expected


@pytest.mark.parametrize(
    ("name", "value"), [("cpu", False), ("gpu", False), ("bulk", False), ("local", True)]
)
def test_reflection_is_off_but_on_a_laptop(name, value, word):
    """Who calls in production has the protos."""
    variables = rendered(name).environment(word)
    assert variables[f"LODESTONE_{word.upper()}_REFLECTION"] == str(value).lower()


@pytest.mark.parametrize(("name", "value"), [("cpu", "false"), ("bulk", "true")])
def test_only_a_bulk_crawl_reads_files(name, value):
    """The crawler's own disk is nobody's source."""
    assert rendered(name).environment("crawler")["LODESTONE_CRAWLER_LOCAL_SOURCES"] == value


def test_images_have_a_version(overlay):
    """Never `latest`, and no version that moves."""
    for workload in overlay.of(*WORKLOADS):
        image = overlay.container(workload["metadata"]["name"])["image"]
        assert re.fullmatch(r"[a-z0-9/-]+:\d+\.\d+(\.\d+)?", image), image
    for word in ("novelty", "watermark", "crawler"):
        assert overlay.container(word)["image"] == f"lodestone/{word}:{version('lodestone')}"


def test_the_grace_period_fits_the_drain(overlay, word):
    """PreStop, drain, and 10 s to spare."""
    assert overlay.container(word)["lifecycle"]["preStop"] == {"sleep": {"seconds": PRE_STOP_S}}
    wanted = PRE_STOP_S + default(word, "drain_s") + 10
    assert overlay.pod(word)["terminationGracePeriodSeconds"] >= wanted


def test_an_update_takes_no_pod_away_before_another_serves(overlay, word):
    """But where one GPU is all there is. A client comes back to a replica within two seconds, so three must pass."""
    spec = overlay.one("Deployment", word)["spec"]
    assert spec["minReadySeconds"] >= 3
    has_gpu = "nvidia.com/gpu" in overlay.container(word)["resources"]["limits"]
    surge = (
        {"maxSurge": 0, "maxUnavailable": 1} if has_gpu else {"maxSurge": 1, "maxUnavailable": 0}
    )
    assert spec["strategy"]["rollingUpdate"] == surge
    assert spec["strategy"].get("type", "RollingUpdate") == "RollingUpdate"
