"""Which tests are those of domain code, and grpc hidden from them."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("embedder", "novelty", "watermark", "crawler", "servicekit")
HIDDEN = ("grpc", "grpc_health", "grpc_reflection")

# What starts servers on loopback: tests that use it are no unit tests.
SERVERS = (
    "tests.faithful",
    "tests.hostile",
    "tests.crawler.fetch.raw_server",
    "tests.crawler.fetch.dns_server",
)


class HiddenModules:
    """A finder before all others that has grpc not found."""

    def find_spec(self, name, path=None, target=None):
        """Finds nothing, and ends the search for what is hidden."""
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(name)


def hide_grpc():
    """From now on no import in this process finds grpc.

    Raises:
        RuntimeError: It was imported before: whoever imports it again would have it.
    """
    if found := sorted(set(HIDDEN) & set(sys.modules)):
        raise RuntimeError(f"imported before they could be hidden: {found}")
    sys.meta_path.insert(0, HiddenModules())


def domain_tests():
    """Unit tests of modules that, with all that they import of ours, reach no adapter and no server of the tests."""
    for folder in FOLDERS:
        for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            if not reaches_out(path, set()):
                yield path


def reaches_out(path, seen):
    """Whether a file imports, itself or through others of ours, what domain code does without."""
    if path in seen:
        return False
    seen.add(path)
    names = imported(path)
    if any(name.split(".")[0] in ("grpc", "torch", "onnx") for name in names):
        return True
    if any(name.startswith(("lodestone.", *SERVERS)) for name in names):
        return True
    ours = [name for name in names if name.startswith(("services.", "tests."))]
    files = (ROOT / (name.replace(".", "/") + ".py") for name in ours)
    return any(reaches_out(file, seen) for file in files if file.exists())


@functools.cache
def imported(path):
    """The modules that a file imports, by name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names
