from __future__ import annotations

import re

import pytest

from services.crawler.fetch import address
from services.embedder.config import EmbedderSettings
from services.servicekit.inference.backend import BackendName
from tests.deploy.manifests import (
    K8S,
    SERVICES,
    base,
    container,
    documents,
    environment,
    one,
    pod,
    settings_class,
    settings_names,
)

OVERLAYS = ("cpu", "gpu")
PRE_STOP_S = 5


@pytest.fixture(params=SERVICES)
def word(request):
    return request.param


def gpu_patch():
    (found,) = documents(K8S / "overlays" / "gpu" / "patches" / "embedder.yaml")
    return found


def gpu_container():
    (found,) = gpu_patch()["spec"]["template"]["spec"]["containers"]
    return found


def default(word, field):
    return settings_class(word).model_fields[field].default


def test_kustomizations_list_files_that_exist_and_every_file_is_listed():
    """A manifest that is not listed would never be applied."""
    listed = set()
    for path in K8S.rglob("kustomization.yaml"):
        (kustomization,) = documents(path)
        entries = kustomization["resources"] + [p["path"] for p in kustomization.get("patches", [])]
        for entry in entries:
            target = (path.parent / entry).resolve()
            assert target.exists(), f"{path}: {entry}"
            listed.add(target / "kustomization.yaml" if target.is_dir() else target)
    roots = {K8S / "kustomization.yaml", K8S / "overlays" / "gpu" / "kustomization.yaml"}
    assert set(K8S.rglob("*.yaml")) - listed == roots


def test_the_plain_folder_is_the_cpu_overlay_on_the_base():
    """`kubectl apply -k deploy/k8s` needs no GPU."""
    assert documents(K8S / "kustomization.yaml")[0]["resources"] == ["overlays/cpu"]
    for overlay in OVERLAYS:
        (kustomization,) = documents(K8S / "overlays" / overlay / "kustomization.yaml")
        assert kustomization["resources"] == ["../../base"]
    assert documents(K8S / "base" / "kustomization.yaml")[0]["namespace"] == "lodestone"


def test_ports_are_the_ones_the_service_serves_on(word):
    """The container's, the Service's and the probes' ports are the settings' defaults."""
    expected = {"grpc": default(word, "port"), "metrics": default(word, "metrics_port")}
    ports = container(word)["ports"]
    assert {port["name"]: port["containerPort"] for port in ports} == expected
    ports = one("Service", word)["spec"]["ports"]
    assert {port["name"]: port["port"] for port in ports} == expected
    assert all(port["targetPort"] == port["name"] for port in ports)
    for probe in ("startupProbe", "readinessProbe"):
        assert container(word)[probe]["grpc"] == {"port": expected["grpc"]}
    # Alive is not ready: a model that is away for a while is no reason to start the process again.
    liveness = {"port": expected["grpc"], "service": "liveness"}
    assert container(word)["livenessProbe"]["grpc"] == liveness


def test_a_start_may_take_minutes_and_liveness_is_patient(word):
    """The liveness probe bears more than the readiness probe, by far."""

    def patience_s(probe):
        return container(word)[probe]["periodSeconds"] * container(word)[probe]["failureThreshold"]

    assert patience_s("startupProbe") >= 120
    assert patience_s("readinessProbe") <= 15
    assert patience_s("livenessProbe") >= 300


def test_names_and_labels_agree(word):
    """One word finds the Deployment, its pods, its Service and its ServiceAccount."""
    labels = {"app.kubernetes.io/name": word, "app.kubernetes.io/part-of": "lodestone"}
    selector = {"app.kubernetes.io/name": word}
    deployment, service = one("Deployment", word), one("Service", word)
    for labelled in (deployment, service, one("ServiceAccount", word)):
        assert labelled["metadata"]["labels"] == labels
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert deployment["spec"]["selector"]["matchLabels"] == selector
    assert service["spec"]["selector"] == selector
    assert service["spec"]["clusterIP"] == "None"
    assert container(word)["name"] == pod(word)["serviceAccountName"] == word


def test_every_variable_is_a_setting_and_the_settings_accept_them(word, monkeypatch):
    """A misspelt variable or a bad value would end the start, and only be seen in the cluster."""
    variables = environment(container(word))
    assert set(variables) <= settings_names(word)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = settings_class(word)()
    settings.require_safe_bind()
    assert settings.address == f"0.0.0.0:{default(word, 'port')}"
    assert str(settings.data) == "/data"
    assert not pod(word)["enableServiceLinks"]


def test_the_crawler_finds_each_model_service_by_its_service():
    """The addresses name the headless Services and their ports."""
    variables = environment(container("crawler"))
    for word in ("embedder", "novelty", "watermark"):
        expected = f"dns:///{word}:{default(word, 'port')}"
        assert variables[f"LODESTONE_{word.upper()}"] == expected
    assert variables["LODESTONE_CRAWLER_LOCAL_SOURCES"] == "false"


def test_images_have_a_version(word):
    """Never `latest`, and each service runs its own image."""
    assert re.fullmatch(rf"lodestone/{word}:\d+\.\d+\.\d+", container(word)["image"])


def test_pods_fit_the_restricted_standard(word):
    """Each field that the namespace's Pod Security level asks for, and a read-only root."""
    context = pod(word)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(word)["automountServiceAccountToken"] is False
    assert one("ServiceAccount", word)["automountServiceAccountToken"] is False
    assert "initContainers" not in pod(word)
    assert container(word)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    labels = one("Namespace", "lodestone")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_memory_is_reserved_and_the_temporary_folder_is_bounded(word):
    """Memory limit = request; /tmp is an emptyDir with a size."""
    resources = container(word)["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"]
    assert {"cpu", "memory"} == set(resources["limits"]) == set(resources["requests"])
    volumes = {volume["name"]: volume for volume in pod(word)["volumes"]}
    assert volumes["tmp"]["emptyDir"]["sizeLimit"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container(word)["volumeMounts"]


def test_the_data_folder_is_written_by_its_two_owners_alone(word):
    """The crawler and the novelty service write; the others mount it read-only."""
    (mount,) = (m for m in container(word)["volumeMounts"] if m["name"] == "data")
    assert mount["mountPath"] == "/data"
    assert mount.get("readOnly", False) is (word in {"embedder", "watermark"})
    volumes = {volume["name"]: volume for volume in pod(word)["volumes"]}
    claim = one("PersistentVolumeClaim", volumes["data"]["persistentVolumeClaim"]["claimName"])
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_all_pods_are_placed_on_the_node_of_the_data_folder(word):
    """The embedder may come first, being one of the pods that it asks for; the others follow it."""
    rules = pod(word)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (rule,) = rules
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    wanted = rule["labelSelector"]["matchLabels"]
    assert wanted.items() <= one("Deployment", "embedder")["metadata"]["labels"].items()
    if word == "embedder":
        assert wanted == {"app.kubernetes.io/part-of": "lodestone"}


def test_the_grace_period_fits_the_drain(word):
    """PreStop, drain, and 10 s to spare."""
    assert container(word)["lifecycle"]["preStop"] == {"sleep": {"seconds": PRE_STOP_S}}
    wanted = PRE_STOP_S + default(word, "drain_s") + 10
    assert pod(word)["terminationGracePeriodSeconds"] >= wanted


def test_there_is_one_crawler_at_a_time():
    """Two would fight for the catalogue."""
    spec = one("Deployment", "crawler")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_everything_is_denied_by_default():
    """No pod, in no direction."""
    assert one("NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    policies = {o["metadata"]["name"] for o in base() if o["kind"] == "NetworkPolicy"}
    assert policies == {"default-deny", "model-services", "crawler"}


def test_model_services_answer_the_crawler_and_connect_to_nothing():
    """Ingress to the gRPC port from the crawler's pods; no egress rule names them."""
    spec = one("NetworkPolicy", "model-services")["spec"]
    (expression,) = spec["podSelector"]["matchExpressions"]
    assert expression["operator"] == "In"
    assert set(expression["values"]) == set(SERVICES) - {"crawler"}
    assert spec["ingress"] == [
        {
            "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "crawler"}}}],
            "ports": [{"port": "grpc", "protocol": "TCP"}],
        }
    ]
    assert "egress" not in spec


def test_the_crawler_reaches_the_model_services_dns_and_the_public_web_alone():
    """And of IPv4 nothing that its own guard refuses."""
    spec = one("NetworkPolicy", "crawler")["spec"]
    assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "crawler"}}
    assert "ingress" not in spec
    allowed = {}
    for rule in spec["egress"]:
        (peer,) = rule["to"]
        ports = {(port["port"], port["protocol"]) for port in rule["ports"]}
        if "ipBlock" in peer:
            web, web_ports = peer["ipBlock"], ports
        else:
            labels = peer["podSelector"]["matchLabels"]
            name = labels.get("app.kubernetes.io/name") or labels["k8s-app"]
            allowed[name] = ports
    models = ("embedder", "novelty", "watermark")
    assert allowed == {
        **{word: {(default(word, "port"), "TCP")} for word in models},
        "kube-dns": {(53, "UDP"), (53, "TCP")},
    }
    assert web_ports == {(80, "TCP"), (443, "TCP")}
    assert web["cidr"] == "0.0.0.0/0"
    assert set(web["except"]) == {str(network) for network, _ in address._FORBIDDEN_V4}


def test_the_gpu_overlay_takes_the_cuda_image():
    """The base's image under another name, with the base's version."""
    (kustomization,) = documents(K8S / "overlays" / "gpu" / "kustomization.yaml")
    (image,) = kustomization["images"]
    assert image == {"name": "lodestone/embedder", "newName": "lodestone/embedder-cuda"}
    assert container("embedder")["image"].split(":")[0] == image["name"]


def test_the_gpu_overlay_gives_the_embedder_one_gpu_and_clip(monkeypatch):
    """The patch meets the base's Deployment and container, and its settings are accepted."""
    patch, patched = gpu_patch(), gpu_container()
    deployment = one("Deployment", "embedder")
    assert (patch["kind"], patch["metadata"]["name"]) == ("Deployment", "embedder")
    assert patch["apiVersion"] == deployment["apiVersion"]
    assert patched["name"] == container("embedder")["name"]
    assert patched["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert patched["resources"]["limits"]["memory"] == patched["resources"]["requests"]["memory"]
    assert set(environment(patched)) <= settings_names("embedder")
    for name, value in environment(container("embedder"), patched).items():
        monkeypatch.setenv(name, value)
    settings = EmbedderSettings()
    assert settings.backend is BackendName.CUDA
    assert settings.encoder == "clip-vit-b-32"


def test_a_rollout_on_gpus_frees_the_gpu_first():
    """A surge pod would wait for the one GPU for ever."""
    assert gpu_patch()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_every_pod_tolerates_the_gpu_nodes_taint():
    """All four run on the embedder's node."""
    (kustomization,) = documents(K8S / "overlays" / "gpu" / "kustomization.yaml")
    tolerating = {"path": "patches/tolerations.yaml", "target": {"kind": "Deployment"}}
    assert tolerating in kustomization["patches"]
    ((operation,),) = documents(K8S / "overlays" / "gpu" / "patches" / "tolerations.yaml")
    assert operation["path"] == "/spec/template/spec/tolerations"
    assert operation["value"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
