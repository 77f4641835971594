from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from services.crawler.catalogue import mount_table as module
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.mount_table import kind_of_mount, require_own_disk
from services.servicekit.errors import Misconfigured

# As Linux writes it: the root, a share below it, one with a space in its name, and a disk mounted over a share.
TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard
40 22 0:35 / /srv rw,relatime shared:20 - nfs4 server:/srv rw,vers=4.2,addr=10.0.0.2
41 22 0:36 / /mnt/my\040share rw,relatime - cifs //server/share rw,vers=3.1.1
42 40 8:2 / /srv/disk rw,relatime - xfs /dev/sdb1 rw
43 22 0:37 / /home rw shared:3 master:2 - fuse.sshfs me@server: rw,user_id=0
44 22 0:38 / /twice rw - nfs server:/old rw
45 44 8:3 / /twice rw - ext4 /dev/sdc1 rw
not a line of the table
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/lodestone", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/lodestone/data", "nfs4"),
        ("/srvs", "ext4"),
        ("/srv/disk/data", "xfs"),
        ("/mnt/my share/data", "cifs"),
        ("/home/me/data", "fuse.sshfs"),
        ("/twice/data", "ext4"),
    ],
)
def test_the_mount_that_a_folder_is_on(folder, kind):
    """The one with the longest path that leads to it; of two at one place the later."""
    assert kind_of_mount(PurePosixPath(folder), TABLE) == kind


def test_a_table_without_it():
    """It is not guessed."""
    assert kind_of_mount(PurePosixPath("/a"), "") == ""


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Says what kind of file system the test's folder is on."""

    def mount(kind):
        place = str(tmp_path).replace(" ", r"\040")
        table = tmp_path.parent / f"{tmp_path.name}.mounts"
        table.write_text(
            f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:35 / {place} rw - {kind} x rw\n"
        )
        monkeypatch.setattr(module, "_TABLE", table)

    return mount


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph"])
def test_no_catalogue_is_opened_on_a_networks_disk(tmp_path, mounted, kind):
    """One line with two ways out, and no catalogue is made there; a link to the folder does not hide where it is."""
    mounted(kind)
    folder = tmp_path / "data"
    link = tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    with pytest.raises(Misconfigured, match=rf"network's file system \({kind}\).*PostgreSQL"):
        Database(link / "catalog.sqlite")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "9p", "virtiofs"]
)
def test_disks_of_this_machine(tmp_path, mounted, kind):
    """Those of its host among them."""
    mounted(kind)
    Database(tmp_path / "data" / "catalog.sqlite").close()


def test_a_system_without_the_table(tmp_path, monkeypatch):
    """Nothing is known of the disk there."""
    monkeypatch.setattr(module, "_TABLE", tmp_path / "none")
    require_own_disk(tmp_path)
