"""npm's archives, made by hand."""

import io
import tarfile


def member(name, content=b"", *, kind=tarfile.REGTYPE, link=""):
    """One member of an archive, of any kind, and its content."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def write_archive(path, *members):
    """Writes the members as an archive to `path`."""
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path
