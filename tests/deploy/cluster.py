"""Runs the pods of an overlay as processes of this machine, in a network of their own.

What is replaced: an image by this checkout, its virtual environment and the Dockerfile's ENV and ENTRYPOINT; DNS by a
file of hosts; volumes by folders; and no network policy is in force. Everything else is the manifest's: replicas,
arguments, variables, ports, users, groups, paths, read-only roots, probes, certificates.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.manifests import ROOT, SERVICES
from tests.deploy.pod_network import Forward, PodNetwork
from tests.deploy.secret_files import SecretFiles
from tests.deploy.test_dockerfile import values

_POD = Path(__file__).with_name("pod.py")
_NAMESPACES = ("--mount", "--net", "--propagation=private", "--pid", "--fork", "--kill-child")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Cluster:
    """The pods of an overlay; a context manager.

    Attributes:
        pods: The pods of each workload, by its name.
        network: Where they are.
        folder: For volumes, logs and all else.
    """

    def __init__(self, overlay, secrets, folder):
        """Takes keys and values of each Secret, by its name."""
        self.overlay = overlay
        self.folder = folder
        self.pods = {
            one["metadata"]["name"]: _pods(overlay, one)
            for one in overlay.of("Deployment", "StatefulSet")
        }
        self.network = PodNetwork([pod for pods in self.pods.values() for pod in pods])
        self._secrets = secrets
        self._secret_files = []
        self._processes = {}

    def __enter__(self):
        self.folder.chmod(0o755)
        lines = ["127.0.0.1 localhost"]
        for service in self.overlay.of("Service"):
            name = service["metadata"]["name"]
            lines += [f"{self.network.addresses[pod]} {name}" for pod in self.pods[name]]
        self._write("hosts", "\n".join(lines) + "\n")
        # Who is not in the hosts file is nowhere.
        self._write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        return self

    def __exit__(self, *_):
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    def _write(self, name, text):
        (self.folder / name).write_text(text)

    def start(self, name, *programs):
        """Starts the pods of a workload; `programs` are files that its image has in /usr/local/bin."""
        for pod in self.pods[name]:
            path = self.folder / f"{pod}.json"
            path.write_text(json.dumps(self._facts(name, pod, programs)))
            with self.log(pod).open("ab") as log:
                process = subprocess.Popen(
                    ["unshare", *_NAMESPACES, sys.executable, str(_POD), path],
                    stdin=subprocess.PIPE, stdout=log, stderr=log,
                )  # fmt: skip
            self._processes[pod] = process
            self.network.plug_in(pod, process.pid)
            process.stdin.write(b"go\n")
            process.stdin.close()

    def _facts(self, name, pod, programs):
        context = self.overlay.pod(name)["securityContext"]
        scratch = self.folder / "scratch" / pod
        scratch.mkdir(parents=True)
        mounts = [(str(ROOT), "/app", True), (sys.prefix, "/opt/venv", True)]
        mounts += [
            (str(self.folder / one), f"/etc/{one}", True) for one in ("hosts", "resolv.conf")
        ]
        mounts += [(str(one), f"/usr/local/bin/{one.name}", True) for one in programs]
        return {
            "folder": str(scratch),
            "mounts": mounts + self._volumes(name, pod, context["fsGroup"]),
            "working_folder": "/app" if name in SERVICES else "/",
            "user": context["runAsUser"],
            "group": context["runAsGroup"],
            "command": self.command(name),
            "environment": self.environment(name, pod),
        }

    def log(self, pod):
        return self.folder / f"{pod}.log"

    def command(self, name):
        container = self.overlay.container(name)
        command = container.get("command") or json.loads(values(name, "ENTRYPOINT")[-1])
        return [*command, *container.get("args", [])]

    def environment(self, name, pod):
        """The image's variables, under the manifest's."""
        found = {"PATH": _PATH, "HOSTNAME": pod, "HOME": "/"}
        for line in values(name, "ENV") if name in SERVICES else ():
            for pair in line.split():
                variable, value = pair.split("=", 1)
                found[variable] = value.replace("$PATH", _PATH)
        return found | self.overlay.environment(name)

    def wait_ready(self, name):
        """Asks all pods of a workload as the kubelet does, for as long as the startup probe has."""
        probe = self.overlay.container(name)["startupProbe"]
        deadline_s = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        for pod in self.pods[name]:
            while not self.answers(name, pod, "readinessProbe"):
                status = self._processes[pod].poll()
                assert status is None, f"{pod} ended with {status}: {self.log(pod).read_text()}"
                assert time.monotonic() < deadline_s, f"{pod}: {self.log(pod).read_text()}"
                time.sleep(0.1)

    def answers(self, name, pod, kind):
        """What a probe finds, from the node to the pod's own address."""
        container, address = self.overlay.container(name), self.network.addresses[pod]
        probe = container[kind]
        if "grpc" in probe:
            return _is_serving(address, **probe["grpc"])
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        place = (address, ports[probe["tcpSocket"]["port"]])
        with contextlib.suppress(OSError), socket.create_connection(place, 1):
            return True
        return False

    def forward(self, name, port):
        """`kubectl port-forward`, to the first pod of a workload."""
        return Forward(("127.0.0.1", port), (self.network.addresses[self.pods[name][0]], port))

    def stop(self, name, pod):
        """As the kubelet does: SIGTERM. Returns the exit status, or None after the grace period, and the seconds."""
        process, begin_s = self._processes[pod], time.monotonic()
        os.kill(self._pid(pod), signal.SIGTERM)
        try:
            status = process.wait(self.overlay.pod(name)["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            status = None
        return status, time.monotonic() - begin_s

    def facts(self, pod):
        """What the kernel says of a pod's process."""
        folder = Path("/proc") / str(self._pid(pod))
        lines = (line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        status = {key: value.split() for key, value in lines}
        variables = (folder / "environ").read_bytes().rstrip(b"\0").decode().split("\0")
        return {
            "command": (folder / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0"),
            "environment": dict(one.split("=", 1) for one in variables),
            "users": sorted(set(status["Uid"])),
            "groups": sorted({*status["Gid"], *status["Groups"]}),
            "capabilities": int(status["CapEff"][0], 16),
            "pid_inside": int(status["NSpid"][-1]),
            "no_new_privileges": status["NoNewPrivs"] == ["1"],
            "memory_mb": int(status["VmHWM"][0]) // 1024,
            "root_is_writable": _is_written(folder / "root" / "app" / "x"),
        }

    def _pid(self, pod):
        """Of the pod's first process, here; `unshare` waits for it."""
        pid = self._processes[pod].pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def _volumes(self, name, pod, group):
        claims = {
            one["metadata"]["name"]: f"{one['metadata']['name']}-{pod}"
            for one in self.overlay.workload(name)["spec"].get("volumeClaimTemplates", [])
        }
        volumes = self.overlay.volumes(name)
        found = []
        for path, mount in sorted(self.overlay.mounts(name).items()):
            volume = volumes.get(mount["name"], {})
            claim = claims.get(mount["name"]) or volume.get("persistentVolumeClaim", {}).get(
                "claimName"
            )
            if "secret" in volume:
                source = self._secret(pod, volume["secret"], group)
            else:
                source = self.folder / "volumes" / (claim or f"{pod}-{mount['name']}")
                source.mkdir(parents=True, exist_ok=True)
                os.chown(source, 0, group)
                source.chmod(0o2775)
            found.append((str(source), path, mount.get("readOnly", False)))
        return found

    def _secret(self, pod, secret, group):
        place = SecretFiles(
            self.folder / "secrets" / pod / secret["secretName"], group, secret["defaultMode"]
        )
        place.write(self._secrets[secret["secretName"]])
        self._secret_files.append((secret["secretName"], place))
        return place.folder

    def renew(self, secrets):
        """Other contents of Secrets reach the pods that have them mounted."""
        for name, place in self._secret_files:
            place.write(secrets[name])


def _pods(overlay, workload):
    """As many as the autoscaler begins with, or a StatefulSet has."""
    name = workload["metadata"]["name"]
    scalers = {
        one["metadata"]["name"]: one["spec"] for one in overlay.of("HorizontalPodAutoscaler")
    }
    count = scalers[name]["minReplicas"] if name in scalers else workload["spec"]["replicas"]
    return [f"{name}-{number}" for number in range(count)]


def _is_serving(address, port, service=""):
    """Whether gRPC health says so, in plaintext."""
    with grpc.insecure_channel(f"{address}:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def _is_written(path):
    """Whether even root may write there: it may where the file system does not refuse."""
    try:
        path.touch()
    except OSError:
        return False
    return True
