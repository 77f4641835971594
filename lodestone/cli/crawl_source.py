"""Sources as a person types them, made to mean the same on the crawler's side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_LOCAL_KINDS: Final = ("folder", "urls")
_KIND = re.compile(r"([a-z][a-z0-9_-]*):")


def absolute_source(source: str) -> str:
    """The source with local paths made absolute: the crawler may run in another folder.

    `folder:` and `urls:` take a path; other kinds (`page:…`, `https://…`) and URLs stay as they are; anything else is a
    path. A path that begins with `~` is the user's home.
    """
    kind = _KIND.match(source)
    if kind is None:
        return _absolute(source)
    name, rest = kind.group(1), source[kind.end() :]
    if name not in _LOCAL_KINDS or "://" in rest:
        return source
    return f"{name}:{_absolute(rest)}"


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
