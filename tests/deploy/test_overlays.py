"""What makes one overlay another."""

from __future__ import annotations

import os
import subprocess

import pytest

from services.embedder.config import EmbedderSettings
from services.servicekit.inference.backend import BackendName
from tests.deploy.manifests import SERVICES, rendered


def test_the_gpu_overlay_gives_the_embedder_one_gpu_and_clip(monkeypatch):
    """With the image that has CUDA, of the same version; the settings are accepted."""
    gpu, cpu = rendered("gpu"), rendered("cpu")
    image = cpu.container("embedder")["image"]
    assert gpu.container("embedder")["image"] == image.replace("embedder", "embedder-cuda")
    assert gpu.container("embedder")["resources"]["limits"]["nvidia.com/gpu"] == 1
    for name, value in gpu.environment("embedder").items():
        monkeypatch.setenv(name, value)
    settings = EmbedderSettings()
    assert settings.backend is BackendName.CUDA
    assert settings.encoder == "clip-vit-b-32"


def test_encoders_that_no_image_holds_are_where_the_embedder_looks():
    """A claim of its own, which the embedder does not write to."""
    gpu = rendered("gpu")
    mount = gpu.mounts("embedder")["/data/artifacts/encoders"]
    assert mount["readOnly"]
    claim = gpu.volumes("embedder")[mount["name"]]["persistentVolumeClaim"]["claimName"]
    assert gpu.one("PersistentVolumeClaim", claim)


def test_the_embedder_waits_until_somebody_has_brought_clip(tmp_path):
    """In the same claim, where the init container may write; it ends as soon as the encoder is there."""
    gpu = rendered("gpu")
    (waiting,) = gpu.pod("embedder")["initContainers"]
    (mount,) = waiting["volumeMounts"]
    assert mount["name"] == gpu.mounts("embedder")["/data/artifacts/encoders"]["name"]
    assert not mount.get("readOnly", False)
    encoder = gpu.environment("embedder")["LODESTONE_EMBEDDER_ENCODER"]
    assert waiting["env"] == [{"name": "ENCODER", "value": encoder}]
    [script] = waiting["args"]
    words = [*waiting["command"], script.replace(mount["mountPath"], str(tmp_path))]
    environment = {"ENCODER": encoder, "PATH": os.environ["PATH"]}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == f"waiting for {encoder}\n"
        shell.kill()
    (tmp_path / encoder).mkdir()
    (tmp_path / encoder / "encoder.json").touch()
    assert subprocess.run(words, env=environment, timeout=5, check=False).returncode == 0


def test_only_the_embedder_goes_to_nodes_with_gpus():
    """The others would take their room."""
    gpu = rendered("gpu")
    tolerating = [word for word in SERVICES if "tolerations" in gpu.pod(word)]
    assert tolerating == ["embedder"]
    assert gpu.pod("embedder")["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]


def test_what_is_the_same_in_gpu_and_cpu():
    """All but the embedder, its autoscaler and its claim."""
    gpu, cpu = rendered("gpu"), rendered("cpu")
    differing = {
        (one["kind"], one["metadata"]["name"]) for one in gpu.objects if one not in cpu.objects
    }
    assert differing == {
        ("Deployment", "embedder"),
        ("HorizontalPodAutoscaler", "embedder"),
        ("PersistentVolumeClaim", "encoders"),
    }


def test_a_laptop_needs_little(word):
    """All requests together leave room on two cores and four gigabytes; the limits are those of anywhere."""
    local = rendered("local")
    requests = [
        local.container(one["metadata"]["name"])["resources"]["requests"]
        for one in local.of("Deployment", "StatefulSet")
        for _ in range(2 if one["metadata"]["name"] == "crawler" else 1)
    ]
    assert sum(int(one["cpu"].removesuffix("m")) for one in requests) <= 1_000
    units = {"Mi": 1, "Gi": 1024}
    memory_mi = sum(int(one["memory"][:-2]) * units[one["memory"][-2:]] for one in requests)
    assert memory_mi <= 4_200
    limits = rendered("cpu").container(word)["resources"]["limits"]
    assert local.container(word)["resources"]["limits"] == limits


def test_a_laptops_servers_are_found_by_their_services():
    """The store's address is that of the example server."""
    local = rendered("local")
    port = local.one("Service", "store")["spec"]["ports"][0]["port"]
    environment = local.environment("crawler")
    assert environment["LODESTONE_CRAWLER_STORE_ENDPOINT"] == f"http://store:{port}"
    bucket = environment["LODESTONE_CRAWLER_STORE"].removeprefix("s3://")
    assert f"-bucket={bucket}" in local.container("store")["args"]


@pytest.mark.parametrize("name", ["cpu", "gpu", "bulk"])
def test_databases_are_outside_elsewhere(name):
    """An example without backups is no place for a year's work."""
    assert rendered(name).of("StatefulSet") == []


def test_a_change_of_a_setting_starts_the_pods_again(overlay):
    """ConfigMaps have their content in their names."""
    for one in overlay.of("ConfigMap"):
        assert one["metadata"]["name"].rsplit("-", 1)[0] in {
            "lodestone-crawler",
            "lodestone-store",
            "lodestone-bulk",
            "lodestone-catalogue-server",
        }
