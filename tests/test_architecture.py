from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domain_tests import imported

ROOT = Path(__file__).parents[1]
WORDS = ("embedder", "novelty", "watermark", "crawler")
PORTS = dict(zip(WORDS, (50051, 50052, 50053, 50054), strict=True))
# What may know grpc, the stubs or the environment, below services/.
ADAPTERS = re.compile(
    r"(\w+/)+__main__\.py|\w+/(servicer\.py|rpc/.+)|(crawler|watermark)/models/.+"
)

# Where the tests of which code are.
MIRRORED = {
    **{f"tests/{word}": f"services/{word}" for word in (*WORDS, "servicekit")},
    "tests/cli": "lodestone/cli",
    "tests/client": "lodestone/client",
    "tests/samples": "samples",
}


def python_files(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_pb2" not in path.name:
                yield path


@pytest.mark.parametrize("word", WORDS)
def test_every_service_has_the_same_face(word):
    """`__main__`, `config`, `servicer`, a proto package and tests bear the service's word."""
    for name in ("__main__.py", "config.py", "servicer.py"):
        assert (ROOT / "services" / word / name).is_file()
    assert (ROOT / "protos" / "lodestone" / word / "v1").is_dir()
    assert (ROOT / "tests" / word).is_dir()


@pytest.mark.parametrize("word", WORDS)
def test_default_ports(word):
    """Others build on the ports: gRPC as documented, metrics 10,000 above."""
    module = __import__(f"services.{word}.config", fromlist=["config"])
    settings = getattr(module, f"{word.capitalize()}Settings")
    assert settings.model_fields["port"].default == PORTS[word]
    assert settings.model_fields["metrics_port"].default == PORTS[word] + 10_000
    assert settings.model_config["env_prefix"] == f"LODESTONE_{word.upper()}_"


def test_domain_modules_know_no_io():
    """Only the adapters import grpc, stubs or the environment."""
    for path in python_files(*(f"services/{word}" for word in WORDS)):
        if ADAPTERS.fullmatch(path.relative_to(ROOT / "services").as_posix()):
            continue
        for name in imported(path):
            assert not name.startswith(("grpc", "lodestone.")), f"{path} imports {name}"
        assert "os.environ" not in path.read_text(), path


def test_heavy_libraries_stay_in_their_files():
    """torch in export and training, onnxruntime in its backend, sklearn in fitting, evaluation and maps."""
    homes = {
        "torch": r"services/(embedder/export|watermark/train)/",
        "open_clip": r"services/embedder/export/",
        "onnxruntime": r"services/servicekit/inference/onnxruntime_backend\.py",
        "sklearn": r"services/(novelty/(fit/fitter|showing/embedding_map)\.py|watermark/(train|evaluate)/)",
    }
    for path in python_files("services", "lodestone", "samples"):
        place = path.relative_to(ROOT).as_posix()
        for name in imported(path):
            home = homes.get(name.split(".")[0])
            assert home is None or re.match(home, place), f"{place} imports {name}"


def test_no_module_over_400_lines():
    """Past 400 lines there is a second noun."""
    for path in python_files("services", "lodestone", "samples"):
        lines = path.read_text().count("\n")
        assert lines <= 400, f"{path} has {lines} lines"


@pytest.mark.parametrize(("tests", "code"), MIRRORED.items())
def test_tests_are_where_their_modules_are(tests, code):
    """A test file that is named after a module is at the module's place."""
    places = {}
    for path in python_files(code):
        places.setdefault(f"test_{path.name}", set()).add(path.parent.relative_to(ROOT / code))
    for path in python_files(tests):
        place = path.parent.relative_to(ROOT / tests)
        assert place in places.get(path.name, {place}), f"{path} tests {places[path.name]}"


def test_every_test_says_what_it_shows():
    """Each test has a docstring, and no test sleeps or skips."""
    for path in python_files("tests"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
                "test_"
            ):
                assert ast.get_docstring(node), f"{path}: {node.name}"


@pytest.mark.parametrize("half", ["only", "left-out"])
@pytest.mark.parametrize("target", ["test", "test-long"])
def test_make_runs_the_domain_tests_without_grpc_and_the_others_with_it(target, half):
    """Both halves of all tests, each once."""
    command = ["make", "--dry-run", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count(f"--domain-tests={half}") == 1


def test_stubs_are_fresh(tmp_path):
    """Generating the stubs again gives the committed ones."""
    protos = sorted(str(path) for path in (ROOT / "protos").rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'protos'}"]
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    subprocess.run([*command, *outputs, *protos], check=True)
    fresh = sorted(tmp_path.rglob("*.py"))
    assert len(fresh) == 2 * len(protos)
    for path in fresh:
        committed = ROOT / path.relative_to(tmp_path)
        assert path.read_text() == committed.read_text(), f"run `make protos`: {committed}"
