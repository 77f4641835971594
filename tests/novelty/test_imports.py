from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOMAIN = (
    "addition_files", "addition_store", "additions", "calibration", "duplicates", "embedding_file", "fit_jobs",
    "growing_rows", "liked_files", "liked_images", "liked_set", "map_jobs", "map_rows", "mixture", "nearest_liked",
    "precision_check", "precision_files", "profile", "profile_arrays", "profile_cache", "profile_facts",
    "profile_files", "profile_store", "refit", "scoring", "stored_files", "submission", "telling", "threshold_rule",
    "thumbnail_comparison", "thumbnail_files", "thumbnails", "version_folders", "whitening",
)  # fmt: skip


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
    done = imports(DOMAIN, "grpc,sklearn,scipy,threadpoolctl,lodestone")
    assert done.returncode == 0, done.stderr


def test_fitting_needs_sklearn_and_no_grpc():
    """The check above can fail, and the fit has no grpc in it."""
    assert "No module named" not in imports(["fitting"], "grpc,lodestone").stderr
    assert "ModuleNotFoundError: sklearn" in imports(["fitting"], "sklearn").stderr
