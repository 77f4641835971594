"""Makes a virtual environment smaller and quicker to start: `python prune.py SITE_PACKAGES`.

Takes out what no service loads, and compiles the rest. Licences and the distributions'
metadata stay, so what lists packages still finds them.
"""

from __future__ import annotations

import compileall
import fnmatch
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

# Whatever the package: tests, and what compilers read.
EVERYWHERE = ("tests", "test", "include", "*.a", "*.pxd", "*.pyi", "*.pyx")

# By the distribution, in the folder of its name.
UNUSED = {
    # For programs in C: Python's part has it all in its own file. What CUDA's distribution has is left as it is.
    "onnxruntime": ("capi/libonnxruntime.so.*",),
    # The device is the CPU, and networks come as ONNX.
    "openvino": (
        "libs/cache.json",
        "libs/libopenvino_gguf_frontend.so.*",
        "libs/libopenvino_intel_gpu_plugin.so",
        "libs/libopenvino_intel_npu_plugin.so",
        "libs/libopenvino_jax_frontend.so.*",
        "libs/libopenvino_paddle_frontend.so.*",
        "libs/libopenvino_pytorch_frontend.so.*",
        "libs/libopenvino_tensorflow_frontend.so.*",
        "libs/libopenvino_tensorflow_lite_frontend.so.*",
    ),
    # Tables of URLs are read from local files: neither through Arrow's RPC, nor from S3.
    "pyarrow": (
        "_flight.*",
        "_s3fs.*",
        "libarrow_flight.so.*",
        # Second and third copies of a library, by names that compilers ask for.
        "libarrow_python.so",
        "libarrow_python.so.*.*",
        "libarrow_python_flight.so*",
        "libarrow_s3.so.*",
    ),
}


def prune(site_packages: Path) -> None:
    """Takes out what is in the lists.

    Raises:
        SystemExit: A package is there and a line about it fits nothing: another version has other files.
    """
    for path in sorted(site_packages.rglob("*"), reverse=True):
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in EVERYWHERE):
            _remove(path)
    for package, patterns in UNUSED.items():
        folder = site_packages / package
        is_there = any(site_packages.glob(f"{package}-*.dist-info"))
        for pattern in patterns if is_there else ():
            found = list(folder.glob(pattern))
            if not found:
                sys.exit(f"error: {folder}: nothing is like {pattern!r}")
            for path in found:
                _remove(path)


def compile_all(folder: Path) -> None:
    """Writes what Python would compile at each start of a container that cannot be written to.

    It is not compared with the sources' times, which builders of images change.
    """
    compileall.compile_dir(
        folder, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    for argument in map(Path, sys.argv[1:]):
        prune(argument)
        compile_all(argument)
