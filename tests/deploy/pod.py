"""Becomes one container of a pod, in namespaces of its own; `cluster.py` starts it: `python pod.py FACTS`.

A kubelet's part, as far as processes see it: the first process of all, a root that cannot be written to, volumes at
their paths, a user without rights, and an environment of what the manifest and the image say, and nothing else.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38


def main():
    facts = json.loads(Path(sys.argv[1]).read_text())
    # Until it has a network.
    sys.stdin.readline()
    root = _root(Path(facts["folder"]))
    # Where Python is may be root's own; in an image it is not.
    for folder in Path(sys.base_prefix).parents:
        place = root / str(folder).lstrip("/")
        place.chmod(place.stat().st_mode | 0o011)
    for source, path, is_read_only in facts["mounts"]:
        _bind(Path(source), root / path.lstrip("/"), is_read_only=is_read_only)
    _mount("--rbind", "/dev", str(root / "dev"))
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("-o", "remount,ro", str(root))
    os.chroot(root)
    os.chdir(facts["working_folder"])
    os.umask(0o022)
    os.setgroups([facts["group"]])
    os.setgid(facts["group"])
    os.setuid(facts["user"])
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    command = facts["command"]
    os.execvpe(command[0], command, facts["environment"])


def _root(folder):
    """This machine's own files, with what is written on top in memory."""
    _mount("-t", "tmpfs", "tmpfs", str(folder))
    parts = {name: folder / name for name in ("upper", "work", "root")}
    for part in parts.values():
        part.mkdir()
    options = f"lowerdir=/,upperdir={parts['upper']},workdir={parts['work']}"
    _mount("-t", "overlay", "overlay", "-o", options, str(parts["root"]))
    return parts["root"]


def _bind(source, target, *, is_read_only):
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount("--bind", str(source), str(target))
    if is_read_only:
        _mount("-o", "remount,bind,ro", str(target))


def _mount(*words):
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main()
