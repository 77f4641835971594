"""Tar files as img2dataset writes them (https://github.com/rom1504/img2dataset, `--output_format webdataset`).

A sample is three members in a row: `KEY.jpg`, `KEY.txt` with the caption, and `KEY.json` with `caption`, `url`, `key`,
`status`, `error_message`, `width`, `height`, `original_width`, `original_height`, `exif`, `sha256`. A key is 9 digits.
"""

from __future__ import annotations

import io
import json
import tarfile


def add(archive, name, body=b"", **header):
    """Adds a member whose header is as a test wants it."""
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for field, value in header.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(body))


def sample(archive, number, *, suffix="jpg", **facts):
    """Adds a sample; its image's bytes say its number."""
    key = f"{number:09d}"
    said = {
        "caption": f"Caption of {number}",
        "url": f"https://site.example/{number}.jpg",
        "key": key,
        "status": "success",
        "error_message": None,
        "width": 256,
        "height": 256,
        "original_width": 1600,
        "original_height": 1200,
        "exif": "{}",
        "sha256": "0" * 64,
    } | facts
    add(archive, f"{key}.{suffix}", f"image {number}".encode())
    add(archive, f"{key}.txt", said["caption"].encode())
    add(archive, f"{key}.json", json.dumps(said).encode())


def write_shard(path, numbers, **kwargs):
    """A tar file of samples with these numbers."""
    with tarfile.open(path, "w", **kwargs) as archive:
        for number in numbers:
            sample(archive, number)
    return path
