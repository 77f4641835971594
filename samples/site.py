"""The sample site: a small static web site of photos and copies, with a list of what each file is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import PIL

from samples.copies import Copy, make_copies
from samples.photo_folder import Progress, SamplePhotos, link_or_copy
from samples.site_pages import gallery_page, index_page
from samples.site_plan import Kind, Planned, planned_files
from samples.site_server import serve
from samples.whole_folder import only_one, replaced_whole

__all__ = ["SampleSite", "SiteFile", "build_site", "serve"]

_INDEX: Final = "site.json"
_THREADS: Final = 2
_NOT_A_PICTURE: Final = "This is a text file, whatever its name says.\n"
_GALLERIES: Final = {
    "nature.html": ("Nature", frozenset({Kind.HELD_BACK})),
    "graphics.html": ("Graphics and things", frozenset({Kind.OTHER})),
    "copies.html": ("Copies", frozenset(Kind) - {Kind.HELD_BACK, Kind.OTHER}),
}


@dataclass(frozen=True)
class SiteFile:
    """One image file that the site links to.

    Attributes:
        path: Below the site's root.
        kind: What it is.
        made_from: File name of the photo that it shows; None if it shows none.
    """

    path: str
    kind: Kind
    made_from: str | None


@dataclass(frozen=True)
class SampleSite:
    """The site on disk.

    Attributes:
        folder: Its root; `index.html` is in it.
        files: What it links to, the missing file included.
    """

    folder: Path
    files: tuple[SiteFile, ...]


def build_site(
    photos: SamplePhotos, folder: Path, *, progress: Progress = lambda _: None
) -> SampleSite:
    """Builds the site in `folder`, whole or not at all; does nothing if it is already built from these photos.

    `folder/site.json` lists every file with its kind and the photo it was made from.
    """
    folder = folder.absolute()
    planned = planned_files(photos)
    key = _key(planned)
    built = _load(folder, key)
    if built is not None:
        return built
    with only_one(folder, progress=progress), replaced_whole(folder) as draft:
        progress(f"building the sample site: {len(planned)} files")
        _put_files(planned, draft)
        files = tuple(_site_file(entry) for entry in planned)
        _write_pages(files, draft)
        rows = [{"path": f.path, "kind": f.kind, "made_from": f.made_from} for f in files]
        (draft / _INDEX).write_text(json.dumps({"key": key, "files": rows}, indent=1))
    return SampleSite(folder, files)


def _load(folder: Path, key: str) -> SampleSite | None:
    try:
        index = json.loads((folder / _INDEX).read_text())
        if index["key"] != key:
            return None
        files = tuple(
            SiteFile(row["path"], Kind(row["kind"]), row["made_from"]) for row in index["files"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return SampleSite(folder, files)


def _put_files(planned: Iterable[Planned], draft: Path) -> None:
    made: list[tuple[Path, Copy]] = []
    for entry in planned:
        path = draft / _path(entry)
        if entry.photo is not None and entry.make is not None:
            made.append((entry.photo, Copy(path, entry.make)))
        elif entry.photo is not None:
            link_or_copy(entry.photo, path)
        elif entry.kind is not Kind.MISSING:
            path.write_text(_NOT_A_PICTURE)
    made.sort(key=lambda pair: pair[0])
    jobs = [
        (photo, [copy for _, copy in group]) for photo, group in groupby(made, lambda pair: pair[0])
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        # Consuming the results raises what a copy raised.
        list(pool.map(lambda job: make_copies(*job), jobs))


def _write_pages(files: tuple[SiteFile, ...], draft: Path) -> None:
    for page, (title, kinds) in _GALLERIES.items():
        images = [file.path for file in files if file.kind in kinds]
        (draft / page).write_text(gallery_page(title, images))
    galleries = [(page, title) for page, (title, _) in _GALLERIES.items()]
    (draft / "index.html").write_text(index_page("Sample site", galleries))


def _site_file(entry: Planned) -> SiteFile:
    return SiteFile(_path(entry), entry.kind, entry.photo.name if entry.photo else None)


def _path(entry: Planned) -> str:
    return f"images/{entry.name}"


def _key(planned: Iterable[Planned]) -> str:
    """Digest of what the site is made from: the plan, the photos' bytes, this code and the library that encodes."""
    key = hashlib.sha256(PIL.__version__.encode())
    for part in _key_parts(planned):
        key.update(part)
    return key.hexdigest()


def _key_parts(planned: Iterable[Planned]) -> Iterator[bytes]:
    for module in ("copies.py", "site.py", "site_pages.py", "site_plan.py"):
        yield Path(__file__).with_name(module).read_bytes()
    digests: dict[Path | None, bytes] = {None: b""}
    for entry in planned:
        if entry.photo is not None and entry.photo not in digests:
            with entry.photo.open("rb") as file:
                digests[entry.photo] = hashlib.file_digest(file, "sha256").digest()
        yield f"{entry.name}\0{entry.kind}\0".encode() + digests[entry.photo]
