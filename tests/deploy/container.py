"""Containers out of images in buildah's storage: a read-only root, user 10001, /data and /tmp to write to."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from contextlib import contextmanager


def buildah(*words):
    done = subprocess.run(["buildah", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def mounted(image):
    """The root file system of an image, and its configuration."""
    container = buildah("from", "--pull-never", image)
    try:
        config = json.loads(buildah("inspect", "--type", "container", container))
        yield buildah("mount", container), config["Docker"]["config"]
    finally:
        buildah("rm", container)


@contextmanager
def running(root, config, log, volumes=(), **variables):
    """The image's own command with the image's own variables, and these; yields the process, which SIGTERM reaches.

    `volumes` are folders of this machine, each with its path below /data.
    """
    environment = [*config["Env"], *(f"{name}={value}" for name, value in variables.items())]
    command = ["env", "-i", *environment, *config["Entrypoint"]]
    inside = f"cd {shlex.quote(config['WorkingDir'])} && exec {shlex.join(command)}"
    lines = [
        f"mount --bind {root} {root}",
        f"mount -o remount,bind,ro {root}",
        *(f"mount --rbind /{name} {root}/{name}" for name in ("proc", "sys", "dev")),
        *(f"mount -t tmpfs -o mode=1777 tmpfs {root}/{name}" for name in ("data", "tmp")),
        *(f"mkdir -p {root}{path}; mount --bind {here} {root}{path}" for here, path in volumes),
        f"exec chroot --userspec={config['User']} {root} sh -c {shlex.quote(inside)}",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", "\n".join(lines)], stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(30)
