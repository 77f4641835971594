from __future__ import annotations

import pytest

from tests.deploy.manifests import OVERLAYS, SERVICES, rendered


@pytest.fixture(params=OVERLAYS)
def overlay(request):
    return rendered(request.param)


@pytest.fixture(params=SERVICES)
def word(request):
    return request.param


@pytest.fixture(scope="session")
def served_metrics(tmp_path_factory):
    """The names of the metrics that each service exports, out of what makes them."""
    from lodestone.cli.certs.authority import Authority
    from services.crawler.sinks.sink_metrics import SinkMetrics
    from services.servicekit.batch_metrics import BatchMetrics
    from services.servicekit.certificates import ServerCertificates
    from services.servicekit.image_metrics import ImageMetrics
    from services.servicekit.metrics import RpcMetrics, new_registry
    from tests.fakes.certificate_files import issue, write

    authority = Authority.create()
    found = {}
    for word in SERVICES:
        registry = new_registry()
        RpcMetrics(word, registry)
        if word in {"embedder", "watermark"}:
            ImageMetrics(word, registry)
            BatchMetrics(word, registry)
        if word == "crawler":
            SinkMetrics(registry, ["a"])
        folder = tmp_path_factory.mktemp(word) / "tls"
        ServerCertificates(write(folder, issue(authority, word), authority), word, registry)
        metrics = list(registry.collect())
        found[word] = {sample.name for metric in metrics for sample in metric.samples}
        # Those with labels have no samples before there is something to count.
        found[word] |= {one.name + "_total" * (one.type == "counter") for one in metrics}
    return found
