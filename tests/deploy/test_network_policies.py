"""Who reaches whom."""

from __future__ import annotations

import pytest

from services.crawler.fetch import address
from tests.deploy.manifests import NAME, WORKLOADS, default, rendered

MODELS = ("embedder", "novelty", "watermark")
DNS = {"kube-dns": {(53, "UDP"), (53, "TCP")}}
NOBODY = "192.0.2."


def ports(rule):
    return {(port["port"], port["protocol"]) for port in rule["ports"]}


def peers(overlay, name, direction):
    """Labels' names, or addresses, to ports, over all policies of a workload."""
    found = {}
    for policy in overlay.policies(name):
        for rule in policy["spec"].get(direction, []):
            (peer,) = rule["from" if direction == "ingress" else "to"]
            if "ipBlock" in peer:
                key = peer["ipBlock"]["cidr"]
            else:
                labels = peer["podSelector"]["matchLabels"]
                key = labels.get(NAME) or labels["k8s-app"]
                assert ("namespaceSelector" in peer) is (key in {"kube-dns", "prometheus"})
            found.setdefault(key, set()).update(ports(rule))
    return found


def grpc(*words):
    return {word: {(default(word, "port"), "TCP")} for word in words}


def test_everything_is_denied_by_default(overlay):
    """No pod, in no direction."""
    assert overlay.one("NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_each_policy_says_which_way_it_opens(overlay):
    """A direction that is not named would be left to others."""
    for policy in overlay.of("NetworkPolicy"):
        spec = policy["spec"]
        for direction, kind in (("ingress", "Ingress"), ("egress", "Egress")):
            if direction in spec:
                assert kind in spec["policyTypes"]


@pytest.mark.parametrize("word", MODELS)
def test_model_services_answer_the_crawler_and_connect_to_nothing(overlay, word):
    """Ingress to the gRPC port from the crawler's pods; no egress at all, not to DNS."""
    assert peers(overlay, word, "ingress") == {"crawler": {(default(word, "port"), "TCP")}}
    assert peers(overlay, word, "egress") == {}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("cpu", {f"{NOBODY}10/32": {(5432, "TCP")}, f"{NOBODY}20/32": {(443, "TCP")}}),
        ("gpu", {f"{NOBODY}10/32": {(5432, "TCP")}, f"{NOBODY}20/32": {(443, "TCP")}}),
        ("local", {"catalogue": {(5432, "TCP")}, "store": {(8333, "TCP")}}),
    ],
)
def test_the_crawler_reaches_models_dns_its_places_and_the_public_web_alone(name, places):
    """The addresses of the places are nobody's until somebody sets them."""
    web = {"0.0.0.0/0": {(80, "TCP"), (443, "TCP")}}
    expected = grpc(*MODELS) | DNS | places | web
    assert peers(rendered(name), "crawler", "egress") == expected
    assert peers(rendered(name), "crawler", "ingress") == {}


def test_the_web_is_what_the_crawlers_own_guard_passes(overlay):
    """Of IPv4; of IPv6 nothing is named."""
    policy = overlay.one("NetworkPolicy", "crawler")
    blocks = [
        peer["ipBlock"]
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks == [
        {"cidr": "0.0.0.0/0", "except": [str(network) for network, _ in address._FORBIDDEN_V4]}
    ]


def test_whoever_may_connect_is_let_in():
    """Egress of one pod to another is the other's ingress, so that both policies say the same."""
    for name in ("local", "cpu", "gpu", "bulk"):
        overlay = rendered(name)
        workloads = [one["metadata"]["name"] for one in overlay.of(*WORKLOADS)]
        out = {
            (one, other, port)
            for one in workloads
            for other, found in peers(overlay, one, "egress").items()
            if other in workloads
            for port in found
        }
        come_in = {
            (other, one, port)
            for one in workloads
            for other, found in peers(overlay, one, "ingress").items()
            for port in found
        }
        assert out == come_in
        for _, server, (port, _) in out:
            listed = {found["containerPort"] for found in overlay.container(server)["ports"]}
            assert port in listed


def test_the_examples_of_databases_answer_the_crawler_alone():
    """PostgreSQL and SeaweedFS in `local`."""
    overlay = rendered("local")
    for name, port in (("catalogue", 5432), ("store", 8333)):
        assert peers(overlay, name, "ingress") == {"crawler": {(port, "TCP")}}
        assert peers(overlay, name, "egress") == {}


def test_a_bulk_job_calls_the_crawler():
    """And the crawler lets it in."""
    overlay = rendered("bulk")
    assert peers(overlay, "bulk", "egress") == grpc("crawler") | DNS
    assert peers(overlay, "bulk", "ingress") == {}
    assert peers(overlay, "crawler", "ingress") == {"bulk": {(50054, "TCP")}}


def test_a_head_over_embeddings_reaches_the_embedder():
    """By the optional component, which also tells the service to ask it."""
    overlay = rendered("cpu", "watermark-head")
    assert peers(overlay, "watermark", "egress") == grpc("embedder") | DNS
    assert set(peers(overlay, "embedder", "ingress")) == {"crawler", "watermark"}
    variables = overlay.environment("watermark")
    assert variables["LODESTONE_WATERMARK_BACKEND"] == "embedder"
    assert variables["LODESTONE_EMBEDDER"] == "dns:///embedder:50051"


def test_prometheus_reads_the_metrics():
    """By the optional component, from another namespace, at the port that is named so."""
    overlay = rendered("cpu", "monitoring")
    for word in (*MODELS, "crawler"):
        assert peers(overlay, word, "ingress")["prometheus"] == {("metrics", "TCP")}
