"""Runs the pods of an overlay as processes of this machine, in a network of their own.

What is replaced: an image by this checkout, its virtual environment and the Dockerfile's ENV and ENTRYPOINT; the pods'
network by one loopback that all names of Services lead to, so that each runs once; volumes by folders. Everything else
is the manifest's: arguments, variables, ports, users, groups, paths, read-only roots, probes, certificates.
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
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.manifests import ROOT, SERVICES, Overlay
from tests.deploy.test_dockerfile import values

_POD = Path(__file__).with_name("pod.py")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Cluster:
    """The pods of an overlay.

    Attributes:
        overlay: What is run.
        secrets: Keys and values of each Secret, by its name.
        folder: For volumes, logs and all else.
    """

    overlay: Overlay
    secrets: dict
    folder: Path
    processes: dict = field(default_factory=dict)

    def __enter__(self):
        self.folder.chmod(0o755)
        names = " ".join(one["metadata"]["name"] for one in self.overlay.of("Service"))
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {names}\n")
        # Who is not in the hosts file is nowhere.
        (self.folder / "resolv.conf").write_text(
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
        )
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self, name, *programs):
        """Starts the container of a workload; `programs` are files that its image has in /usr/local/bin."""
        container, context = self.overlay.container(name), self.overlay.pod(name)["securityContext"]
        scratch = self.folder / "scratch" / name
        scratch.mkdir(parents=True)
        mounts = [(str(ROOT), "/app", True), (sys.prefix, "/opt/venv", True)]
        mounts += [
            (str(self.folder / one), f"/etc/{one}", True) for one in ("hosts", "resolv.conf")
        ]
        mounts += [(str(one), f"/usr/local/bin/{one.name}", True) for one in programs]
        mounts += self._volumes(name, context["fsGroup"])
        facts = {
            "folder": str(scratch),
            "mounts": mounts,
            "working_folder": "/app" if name in SERVICES else "/",
            "user": context["runAsUser"],
            "group": context["runAsGroup"],
            "command": self.command(name),
            "environment": self.environment(name),
        }
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(facts))
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", sys.executable, str(_POD), str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        assert container["securityContext"]["readOnlyRootFilesystem"]

    def log(self, name):
        return self.folder / f"{name}.log"

    def command(self, name):
        container = self.overlay.container(name)
        command = container.get("command") or json.loads(values(name, "ENTRYPOINT")[-1])
        return [*command, *container.get("args", [])]

    def environment(self, name):
        """The image's variables, under the manifest's."""
        found = {"PATH": _PATH, "HOSTNAME": name, "HOME": "/"}
        for line in values(name, "ENV") if name in SERVICES else ():
            for pair in line.split():
                variable, value = pair.split("=", 1)
                found[variable] = value.replace("$PATH", _PATH)
        return found | self.overlay.environment(name)

    def wait_ready(self, name):
        """Asks as the kubelet does, for as long as the startup probe has."""
        probe = self.overlay.container(name)["startupProbe"]
        deadline_s = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        while not self._answers(name):
            status = self.processes[name].poll()
            assert status is None, f"{name} ended with {status}: {self.log(name).read_text()}"
            assert time.monotonic() < deadline_s, f"{name}: {self.log(name).read_text()}"
            time.sleep(0.1)

    def _answers(self, name):
        container = self.overlay.container(name)
        probe = container["readinessProbe"]
        if "grpc" in probe:
            return is_serving(**probe["grpc"])
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        address = ("127.0.0.1", ports[probe["tcpSocket"]["port"]])
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return True
        return False

    def stop(self, name):
        """As the kubelet does: SIGTERM. Returns the exit status, or None after the grace period, and the seconds."""
        process, begin_s = self.processes[name], time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(self.overlay.pod(name)["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            status = None
        return status, time.monotonic() - begin_s

    def facts(self, name):
        """What the kernel says of a process."""
        folder = Path("/proc") / str(self.processes[name].pid)
        lines = (line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        status = {key: value.split() for key, value in lines}
        variables = (folder / "environ").read_bytes().rstrip(b"\0").decode().split("\0")
        return {
            "command": (folder / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0"),
            "environment": dict(one.split("=", 1) for one in variables),
            "users": sorted(set(status["Uid"])),
            "groups": sorted({*status["Gid"], *status["Groups"]}),
            "capabilities": int(status["CapEff"][0], 16),
            "no_new_privileges": status["NoNewPrivs"] == ["1"],
            "memory_mb": int(status["VmHWM"][0]) // 1024,
            "root_is_writable": _is_written(folder / "root" / "app" / "x"),
        }

    def _volumes(self, name, group):
        claims = {
            one["metadata"]["name"]: f"{one['metadata']['name']}-{name}"
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
                source = self._secret(name, volume["secret"], group)
            else:
                source = self.folder / "volumes" / (claim or f"{name}-{mount['name']}")
                source.mkdir(parents=True, exist_ok=True)
                os.chown(source, 0, group)
                source.chmod(0o2775)
            found.append((str(source), path, mount.get("readOnly", False)))
        return found

    def _secret(self, name, secret, group):
        folder = self.folder / "secrets" / name / secret["secretName"]
        folder.mkdir(parents=True)
        for key, value in self.secrets[secret["secretName"]].items():
            path = folder / key
            path.write_bytes(value)
            os.chown(path, 0, group)
            path.chmod(secret["defaultMode"])
        return folder


def is_serving(port, service=""):
    """Whether gRPC health says so, in plaintext."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
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
