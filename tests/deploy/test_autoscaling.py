"""How many pods there are, and by what."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.deploy.manifests import K8S, rendered

RULES = K8S / "components" / "metrics-adapter" / "adapter-rules.yaml"


def scaler(overlay, word):
    return overlay.one("HorizontalPodAutoscaler", word)["spec"]


def test_replicas_are_the_autoscalers(overlay, word):
    """A number in the Deployment would be set again by each `kubectl apply`."""
    assert "replicas" not in overlay.one("Deployment", word)["spec"]
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": word}
    assert scaler(overlay, word)["scaleTargetRef"] == reference


def test_there_are_two_crawlers_at_least(overlay):
    """And one of the others, if nobody asks for more."""
    assert scaler(overlay, "crawler")["minReplicas"] == 2
    for word in ("embedder", "novelty", "watermark"):
        assert scaler(overlay, word)["minReplicas"] == 1


def test_one_pod_may_be_moved_at_a_time(overlay, word):
    """A node can be drained even where there is one pod only."""
    assert overlay.one("PodDisruptionBudget", word)["spec"]["maxUnavailable"] == 1


def test_processors_time_scales_where_nothing_else_is_known(overlay, word):
    """Which every cluster with a metrics server has."""
    (metric,) = scaler(overlay, word)["metrics"]
    assert metric["resource"]["name"] == "cpu"


def test_one_gpu_is_not_scaled_by_processors_time():
    """And one disk with encoders is one node's."""
    assert scaler(rendered("gpu"), "embedder")["maxReplicas"] == 1


@pytest.mark.parametrize("word", ["embedder", "watermark"])
def test_by_what_waits(word, served_metrics):
    """The component's metrics are what the adapter makes out of what the service exports."""
    metrics = scaler(rendered("cpu", "metrics-adapter"), word)["metrics"]
    wanted = {metric["pods"]["metric"]["name"] for metric in metrics}
    assert wanted == {f"lodestone_{word}_queue_depth", f"lodestone_{word}_images_per_second"}
    made = set()
    for rule in yaml.safe_load(RULES.read_text())["rules"]:
        series = re.search(r'__name__=~"([^"]+)"', rule["seriesQuery"])[1]
        exported = [name for name in served_metrics[word] if re.fullmatch(series, name)]
        assert exported, series
        name = rule["name"]
        pattern, replacement = name.get("matches", "^(.*)$"), name["as"] or "${1}"
        made |= {re.sub(pattern, replacement.replace("${1}", r"\1"), one) for one in exported}
    assert wanted <= made
