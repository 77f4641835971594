from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "services" / "novelty"
ADAPTERS = ("__main__", "servicer")
# What only the fit itself and the map compute with.
FITTING = (
    "fit.choosing", "fit.fit_warnings", "fit.fitted", "fit.fitter", "fit.fitting", "fit.refining", "fit.rethreshold",
    "fit.share_estimate", "showing.embedding_map",
)  # fmt: skip


def serving():
    """All modules but the adapters and those."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not name.startswith("rpc.") and name not in (*ADAPTERS, *FITTING):
            yield name


def imports(names, hidden):
    code = (
        "import importlib, sys\n"
        "hidden = set(sys.argv[1].split(','))\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in hidden:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module('services.novelty.' + name)\n"
    )
    command = [sys.executable, "-c", code, hidden, *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_serving_needs_neither_grpc_nor_sklearn():
    """Everything but the fit and the adapters imports without either, or scipy."""
    done = imports(list(serving()), "grpc,sklearn,scipy,threadpoolctl,lodestone")
    assert done.returncode == 0, done.stderr


def test_fitting_needs_sklearn_and_no_grpc():
    """The check above can fail, and the fit has no grpc in it."""
    assert "No module named" not in imports(["fit.fitting"], "grpc,lodestone").stderr
    assert "ModuleNotFoundError: sklearn" in imports(["fit.fitting"], "sklearn").stderr
