"""A network of pods on one bridge: each has an address of its own, and the Services' names lead there."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
import time
from pathlib import Path

_BRIDGE = "pods"
NODE = "10.1.0.1"
"""Where the pods find this machine."""


class PodNetwork:
    """In the network namespace of this process.

    Attributes:
        addresses: Of each pod, by its name.
    """

    def __init__(self, pods):
        """Gives each pod an address, before it is there: Services name it."""
        self.addresses = {pod: f"10.1.0.{number}" for number, pod in enumerate(pods, start=10)}

    def start(self, *public):
        """Sets the bridge up; `public` are addresses besides that pods reach here."""
        _ip("link", "set", "lo", "up")
        _ip("link", "add", _BRIDGE, "type", "bridge")
        for address in (f"{NODE}/24", *(f"{one}/32" for one in public)):
            _ip("addr", "add", address, "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")

    def add(self, address):
        """Takes an address of a pod for this machine."""
        _ip("addr", "add", f"{address}/32", "dev", _BRIDGE)

    def plug_in(self, pod, pid):
        """Gives a process that has just come its end of a cable; it must have left this network already."""
        here, deadline_s = Path("/proc/self/ns/net").readlink(), time.monotonic() + 30
        while Path(f"/proc/{pid}/ns/net").readlink() == here:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        cable = f"veth{list(self.addresses).index(pod)}"
        _ip(
            "link",
            "add",
            cable,
            "master",
            _BRIDGE,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            str(pid),
        )
        _ip("link", "set", cable, "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{self.addresses[pod]}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", NODE),
        ):
            _ip(*words, inside=pid)


def _ip(*words, inside=None):
    enter = ["nsenter", f"--target={inside}", "--net"] if inside else []
    subprocess.run([*enter, "ip", *words], check=True)


class Forward(socketserver.ThreadingTCPServer):
    """Passes connections on, as `kubectl port-forward` does; a context manager."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, here, there):
        """Takes two addresses, each a host and a port."""
        self.there = there
        super().__init__(here, _Passing)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Passing(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(self.server.there) as other:
            back = threading.Thread(target=_pass, args=(other, self.request), daemon=True)
            back.start()
            _pass(self.request, other)
            back.join()


def _pass(source, target):
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # Whoever is left of the two learns of it.
        target.close()
