"""Which kind of file system a folder is on, by the table of mounts that Linux shows."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from services.servicekit.errors import Misconfigured

_TABLE = Path("/proc/self/mountinfo")
# Machines that share a file there see neither each other's locks nor each other's memory, which SQLite's log needs.
_SHARED = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs"),
        *("ceph", "lustre", "glusterfs", "beegfs", "gpfs", "ocfs2", "gfs2"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs"),
        *("fuse.rclone", "fuse.gcsfuse", "fuse.geesefs", "fuse.juicefs", "fuse.mfs"),
    }
)
# Space, tab, newline and backslash, as the table writes them.
_ESCAPE = re.compile(r"\\([0-7]{3})")


def require_own_disk(folder: Path) -> None:
    """Passes a folder that no other machine can have mounted; where there is no table, any.

    Raises:
        Misconfigured: It is on a network's file system.
    """
    try:
        table = _TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = kind_of_mount(folder.resolve(), table)
    if kind in _SHARED:
        message = (
            f"{folder} is on a network's file system ({kind}), where SQLite loses what it writes: "
            "put the data folder on a disk of this machine, or the catalogue on PostgreSQL "
            "(LODESTONE_CRAWLER_CATALOGUE)"
        )
        raise Misconfigured(message)


def kind_of_mount(folder: PurePath, table: str) -> str:
    """The kind of file system that an absolute path is on; empty if the table has none for it.

    Args:
        folder: Without symbolic links.
        table: As in `/proc/self/mountinfo` (proc_pid_mountinfo(5)); of two at one place the later one counts.
    """
    found, depth = "", 0
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        place = PurePath(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if folder.is_relative_to(place) and len(place.parts) >= depth:
            found, depth = kinds[0], len(place.parts)
    return found
