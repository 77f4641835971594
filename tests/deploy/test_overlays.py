"""What makes one overlay another."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.embedder.config import EmbedderSettings
from services.servicekit.inference.backend import BackendName
from tests.deploy.manifests import ROOT, SERVICES, rendered, settings_names

BUNDLED = "efficientnet-lite0"


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


def bringing():
    """The init container that brings the encoder."""
    (only,) = rendered("gpu").pod("embedder")["initContainers"]
    return only


def test_clip_comes_out_of_an_image_of_its_own():
    """With that image's own command, of the same version, and for the encoder that is served."""
    gpu = rendered("gpu")
    encoder = gpu.environment("embedder")["LODESTONE_EMBEDDER_ENCODER"]
    _, version = gpu.container("embedder")["image"].split(":")
    assert bringing()["image"] == f"lodestone/encoder-{encoder}:{version}"
    assert "command" not in bringing()
    assert "args" not in bringing()
    variables = {one["name"]: one["value"] for one in bringing()["env"]}
    assert variables["LODESTONE_EMBEDDER_ENCODER"] == encoder
    assert set(variables) <= set(settings_names("embedder"))


def test_clip_is_brought_to_where_the_embedder_reads_it(tmp_path):
    """By the variables of the manifest, into the same claim, which only that container writes to."""
    gpu = rendered("gpu")
    (mount,) = bringing()["volumeMounts"]
    variables = {one["name"]: one["value"] for one in bringing()["env"]}
    reading = gpu.mounts("embedder")[mount["mountPath"]]
    assert (reading["name"], reading["readOnly"]) == (mount["name"], True)
    assert not mount.get("readOnly", False)
    claim = tmp_path / mount["mountPath"].removeprefix(f"{variables['LODESTONE_DATA']}/")
    done = subprocess.run(
        [sys.executable, "-m", "services.embedder.bring"],
        cwd=ROOT,
        # The bundled encoder is in the checkout; CLIP is not.
        env={**variables, "LODESTONE_DATA": str(tmp_path), "LODESTONE_EMBEDDER_ENCODER": BUNDLED},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one.name for one in claim.iterdir()] == [BUNDLED]


def test_what_brings_clip_has_room_for_it():
    """It holds the whole network, 0.35 GB, at once."""
    assert bringing()["resources"]["limits"]["memory"] == "1Gi"
    assert bringing()["resources"]["requests"]["memory"] == "1Gi"


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
