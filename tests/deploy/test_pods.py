"""What pods may do, what they hold and where they are."""

from __future__ import annotations

import re

import yaml

from tests.deploy.manifests import (
    K8S,
    NAME,
    OPTIONAL,
    OVERLAYS,
    SERVICES,
    WORKLOADS,
    rendered,
    settings_names,
)

# What `secrets.sh` and cert-manager make.
CERTIFICATE = {"tls.crt", "tls.key", "ca.crt"}


def names(overlay):
    return [one["metadata"]["name"] for one in overlay.of(*WORKLOADS)]


def test_pods_fit_the_restricted_standard(overlay):
    """Each field that the namespace's Pod Security level asks for, and a read-only root, of databases as well."""
    labels = overlay.one("Namespace", "lodestone")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in names(overlay):
        pod = overlay.pod(name)
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        account = overlay.one("ServiceAccount", pod["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_services_are_user_10001(overlay, word):
    """As the images have it."""
    assert overlay.pod(word)["securityContext"]["runAsUser"] == 10001


def test_everything_lives_in_one_namespace(overlay):
    """Nothing is left in `default`."""
    for one in overlay.objects:
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == "lodestone"


def test_memory_is_reserved(overlay):
    """Limit = request, so that no neighbour's hunger ends a pod; a laptop has not enough for that."""
    for name in names(overlay):
        resources = overlay.container(name)["resources"]
        assert {"cpu", "memory"} <= set(resources["limits"])
        assert set(resources["requests"]) == {"cpu", "memory"}
        if overlay is not rendered("local"):
            assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_temporary_folders_are_bounded(overlay):
    """And are the only places, besides volumes, that are written to."""
    for name in names(overlay):
        assert overlay.mounts(name)["/tmp"]["name"] == "tmp"
        for volume in overlay.volumes(name).values():
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"]


def test_profiles_alone_are_on_a_disk(overlay, word):
    """What other services have in their data folder can be made again."""
    assert overlay.mounts(word)["/data"]["name"] == "data"
    data = overlay.volumes(word)["data"]
    assert ("persistentVolumeClaim" in data) is (word == "novelty")
    if word == "novelty":
        claim = overlay.one("PersistentVolumeClaim", data["persistentVolumeClaim"]["claimName"])
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
        (rule,) = overlay.pod(word)["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        assert rule["labelSelector"]["matchLabels"] == {NAME: "novelty"}
        assert rule["topologyKey"] == "kubernetes.io/hostname"


def test_replicas_are_spread_over_nodes_and_zones(overlay, word):
    """But those that share a disk."""
    spread = overlay.pod(word).get("topologySpreadConstraints", [])
    keys = {constraint["topologyKey"] for constraint in spread}
    expected = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert keys == (set() if word == "novelty" else expected)
    for constraint in spread:
        assert constraint["labelSelector"]["matchLabels"] == {NAME: word}


def test_every_claim_is_there(overlay):
    """And every claim that is there is mounted."""
    wanted = {
        volume["persistentVolumeClaim"]["claimName"]
        for name in names(overlay)
        for volume in overlay.volumes(name).values()
        if "persistentVolumeClaim" in volume
    }
    assert wanted == {one["metadata"]["name"] for one in overlay.of("PersistentVolumeClaim")}


def test_each_service_has_its_certificate(overlay, word):
    """Mounted whole, so that a new one arrives, and readable by its group alone."""
    mount = overlay.mounts(word)["/tls"]
    assert mount["readOnly"]
    assert "subPath" not in mount
    secret = overlay.volumes(word)["tls"]["secret"]
    assert secret == {"secretName": f"{word}-tls", "defaultMode": 0o440}
    assert overlay.environment(word)["LODESTONE_TLS"] == "/tls"


def secret_keys(overlay):
    """Secret and key of each file of a mounted Secret that arguments, variables or scripts name; of TLS all."""
    found = set()
    for name in names(overlay):
        container, volumes = overlay.container(name), overlay.volumes(name)
        texts = [*overlay.environment(name).values(), *container.get("args", [])]
        texts += overlay.scripts(name).values()
        for path, mount in overlay.mounts(name).items():
            # A StatefulSet's own claims are no volumes of its pod.
            if "secret" not in volumes.get(mount["name"], {}):
                continue
            secret = volumes[mount["name"]]["secret"]["secretName"]
            keys = {match[1] for text in texts for match in re.finditer(rf"{path}/([\w.-]+)", text)}
            keys = CERTIFICATE if path == "/tls" else keys
            assert keys, f"{name} mounts {secret} and uses nothing of it"
            found |= {(secret, key) for key in keys}
    return found


def test_every_secret_key_that_is_read_is_the_same_everywhere():
    """What a service reads, the example server is set up with."""
    crawlers = {
        ("lodestone-catalogue", "url"),
        ("lodestone-store", "access-key-id"),
        ("lodestone-store", "secret-access-key"),
    }
    tls = {(f"{word}-tls", key) for word in SERVICES for key in CERTIFICATE}
    servers = {
        ("catalogue-server", "password"),
        ("catalogue-server", "crawler-password"),
        ("store-server", "s3.json"),
    }
    job = {("bulk-tls", key) for key in CERTIFICATE}
    assert secret_keys(rendered("cpu")) == secret_keys(rendered("gpu")) == crawlers | tls
    assert secret_keys(rendered("local")) == crawlers | tls | servers
    assert secret_keys(rendered("bulk")) == crawlers | tls | job


def test_tokens_are_read_from_secrets():
    """By the optional component, by the services; the Job is no person and needs none."""
    tokens = {("lodestone-tokens", "tokens")}
    cpu = secret_keys(rendered("cpu", "tokens"))
    assert cpu == secret_keys(rendered("cpu")) | tokens
    assert secret_keys(rendered("bulk", "tokens")) == secret_keys(rendered("bulk")) | tokens
    for word in SERVICES:
        variable = f"LODESTONE_{word.upper()}_TOKENS_FILE"
        assert settings_names(word)[variable] == "tokens_file"
        assert rendered("cpu", "tokens").environment(word)[variable] == "/secrets/tokens/tokens"


def test_no_overlay_brings_a_secret(overlay):
    """They are made where they are used, and are in no repository."""
    assert overlay.of("Secret") == []


def test_kustomizations_list_every_file():
    """A manifest that is not listed would never be applied."""
    listed, roots = set(), {K8S / "overlays" / name / "kustomization.yaml" for name in OVERLAYS}
    for path in K8S.rglob("kustomization.yaml"):
        facts = yaml.safe_load(path.read_text())
        entries = [*facts.get("resources", []), *facts.get("components", [])]
        for entry in (*entries, *(patch["path"] for patch in facts.get("patches", []))):
            target = (path.parent / entry).resolve()
            listed.add(target / "kustomization.yaml" if target.is_dir() else target)
    optional = {K8S / "components" / name / "kustomization.yaml" for name in OPTIONAL}
    others = {K8S / "components" / "metrics-adapter" / "adapter-rules.yaml", K8S / "checkov.yaml"}
    assert set(K8S.rglob("*.yaml")) - listed - roots - optional == others
