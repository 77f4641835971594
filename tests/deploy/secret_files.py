"""Secrets as pods have them mounted."""

from __future__ import annotations

import contextlib
import os


class SecretFiles:
    """A mounted Secret, as the kubelet writes it: all keys change at once, by one link."""

    def __init__(self, folder, group, mode):
        self.folder = folder
        self._group = group
        self._mode = mode
        self._count = 0

    def write(self, contents):
        self._count += 1
        version = self.folder / f"..{self._count}"
        version.mkdir(parents=True)
        for key, value in contents.items():
            path = version / key
            path.write_bytes(value)
            os.chown(path, 0, self._group)
            path.chmod(self._mode)
        link = self.folder / "..new"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")
        for key in contents:
            with contextlib.suppress(FileExistsError):
                (self.folder / key).symlink_to(f"..data/{key}")
