"""Clients other than the command: grpcurl, Python, TypeScript and C++, as their pages say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lodestone.cli.app import run
from lodestone.crawler.v1 import crawler_service_pb2
from lodestone.embedder.v1 import embedder_service_pb2
from lodestone.novelty.v1 import novelty_service_pb2
from lodestone.watermark.v1 import watermark_service_pb2
from tests.e2e.conftest import WORDS, Lodestone, graphic, hills, save, wait_for
from tests.e2e.documents import ROOT, at_ports, blocks, commands
from tests.e2e.one_service import one_service
from tests.fakes.ports import free_port

pytestmark = pytest.mark.e2e

PAGE = "docs/grpcurl.md"
COMMANDS = list(commands(PAGE))
SERVICES = (crawler_service_pb2, embedder_service_pb2, novelty_service_pb2, watermark_service_pb2)
TOKEN = "a-token-of-somebody"
SMALL = (480, 343)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page wants to be there: small photos, and the protos of the checkout."""
    folder = tmp_path_factory.mktemp("clients")
    for number in range(12):
        save(hills(number, SMALL), folder / "liked" / f"hill-{number:02}.jpg", quality=88)
    for number in range(4):
        save(hills(100 + number, SMALL), folder / "site" / f"find-{number}.jpg", quality=88)
    save(graphic(1, SMALL), folder / "site" / "graphic.jpg", quality=88)
    save(hills(200, SMALL), folder / "photo.jpg", quality=88)
    (folder / "mirror").mkdir()
    (folder / "protos").symlink_to(ROOT / "protos")
    return folder


@pytest.fixture(scope="module")
def documented(folder):
    """A running Lodestone, started as the page says."""
    running = Lodestone(folder, "--min-pixels", "100000")
    running.environment["LODESTONE_CRAWLER_SINKS"] = f'{{"mirror": "folder:{folder}/mirror"}}'
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def certs(folder):
    assert run(["certs", str(folder / "certs")]) == 0
    (folder / "token").write_text(TOKEN)
    (folder / "tokens").write_text(f"somebody {TOKEN}\n")
    return folder / "certs"


@pytest.fixture(scope="module")
def environment(documented, folder, certs):
    """What a reader's shell has."""
    programs = folder / "programs"
    programs.mkdir()
    if shutil.which("jq") is None:
        (programs / "jq").symlink_to(Path(sys.executable).parent / "jaq")
    path = (str(programs), str(Path(sys.executable).parent), documented.environment["PATH"])
    return documented.environment | {
        "PATH": ":".join(path),
        "LODESTONE_TLS": str(certs / "person"),
        "LODESTONE_TOKEN_FILE": str(folder / "token"),
    }


@pytest.fixture(scope="module")
def plain(environment):
    """The same without certificates."""
    secrets = ("LODESTONE_TLS", "LODESTONE_TOKEN_FILE")
    found = {name: value for name, value in environment.items() if name not in secrets}
    return found | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def secured(documented, folder, certs):
    """The ports of a novelty service with TLS, and of one that asks people for a token as well."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                one_service("novelty", documented.data, folder / f"{name}.out", tls=certs / "novelty", **settings)
            )
            for name, settings in (("tls", {}), ("token", {"TOKENS_FILE": folder / "tokens"}))
        ]  # fmt: skip


@pytest.fixture(scope="module")
def other_precision(documented, folder):
    """The port of an embedder that computes in bf16; None where the CPU does not."""
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        yield None
        return
    with one_service(
        "embedder", documented.data, folder / "bf16.out", PRECISION="bf16", MAX_BATCH=8
    ) as port:
        yield port


@pytest.fixture(scope="module")
def said(documented, folder, environment, secured, other_precision):
    """What became of each command of the page, all in one shell: its exit status, and what it said to whom."""
    named = {f"5005{number}": documented.ports[word] for number, word in enumerate(WORDS, 1)}
    named["50055"] = other_precision or free_port()
    script = []
    for number, command in enumerate(COMMANDS):
        ports = dict(named)
        if "-cacert" in command:
            ports["50052"] = secured["authorization" in command]
        script.append(
            f"{{ {at_ports(command, ports)}\n}} > {number}.stdout 2> {number}.stderr; echo $? > {number}.status"
        )
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", "\n".join(script)],
        cwd=folder, env=environment, timeout=240, check=True,
    )  # fmt: skip
    return [
        [(folder / f"{number}.{end}").read_text() for end in ("status", "stdout", "stderr")]
        for number in range(len(COMMANDS))
    ]


def ask(command, folder, environment, seconds=60):
    """Runs a program; its exit status and what it said, in that order to stdout and stderr."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "number", range(len(COMMANDS)), ids=[command[-60:] for command in COMMANDS]
)
def test_commands_work_as_printed(number, said, other_precision):
    """Every command succeeds and prints what it is there for; only the ports are the test's own."""
    if "CheckPrecision" in COMMANDS[number] and other_precision is None:
        pytest.skip("this CPU has no bf16, so there is no embedder of another precision")
    status, stdout, stderr = said[number]
    assert status == "0\n", stderr
    quiet = re.search(r"(> \w+\.\w+|^export .*|^\w+=.*)$", COMMANDS[number])
    assert bool(stdout.strip()) is not bool(quiet)
    assert '"rejection"' not in stdout


def test_every_rpc_has_a_command():
    """Of all services, and none that is not there."""
    wanted = {
        f"{service.full_name}/{method.name}"
        for module in SERVICES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert wanted
    assert set(re.findall(r"lodestone\.\w+\.v1\.\w+/\w+", "\n".join(COMMANDS))) == wanted


@pytest.mark.parametrize(
    ("program", "wanted"),
    list(
        zip(
            blocks("docs/client.md", "python"),
            (
                r"hills@1: 12 liked\n-?[\d.]+ nats, percentile \d+\n",
                r"(file:.*site/\S+ VERDICT_\w+ .+\n){5}CRAWL_STATE_COMPLETED\n(.+\.jpg\n)*",
                r"REJECTION_CODE_\w+ .+\n4\d{7} of \d+ bytes; nothing.+\nStatusCode.NOT_FOUND .+\nno novelty at .+\n",
                r"hills@1\nlandscapes@1\n",
            ),
            strict=True,
        )
    ),
    ids=("judging", "crawling", "errors", "tls"),
)
def test_programs_in_python_work_as_printed(
    program, wanted, said, folder, plain, secured, documented
):
    """Each program of docs/client.md says what it is there to say."""
    named = {f"5005{number}": documented.ports[word] for number, word in enumerate(WORDS, 1)}
    named["50052"] = secured[1]
    status, stdout, stderr = ask([sys.executable, "-c", at_ports(program, named)], folder, plain)
    assert status == 0, stderr
    assert re.fullmatch(wanted, stdout), stdout


@pytest.fixture(scope="module")
def typescript(tmp_path_factory):
    """The example of examples/typescript, built as its page says."""
    if shutil.which("npm") is None or not ask(["node", "--version"], ROOT, os.environ)[1] >= "v20":
        pytest.skip("the TypeScript example needs Node 20 or newer, with npm")
    folder = tmp_path_factory.mktemp("typescript") / "typescript"
    left_out = shutil.ignore_patterns("node_modules", "build", "stubs")
    shutil.copytree(ROOT / "examples" / "typescript", folder, ignore=left_out)
    programs = f"{folder}/node_modules/.bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in (
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        [ROOT / "protos" / "stubs" / "generate.sh", "typescript", folder / "src" / "stubs"],
        ["npm", "run", "build"],
    ):
        status, *output = ask(command, folder, os.environ | {"PATH": programs}, 180)
        assert status == 0, output
    return folder


def start(folder, *words):
    """The example's command line, as `npm start --` runs it."""
    command = json.loads((folder / "package.json").read_text())["scripts"]["start"].split()
    return [*command, *map(str, words)]


def test_typescript_lists_profiles(typescript, said, documented, plain):
    """With the number of liked photos."""
    assert (
        ask(start(typescript, "profiles"), typescript, plain)[1].splitlines()[-1]
        == "landscapes@1: 12 liked"
    )


def test_typescript_judges(typescript, said, documented, folder, plain):
    """As the command does; what is no image is no error."""
    [wanted] = documented.ask("judge", str(folder / "photo.jpg"), "--profile", "landscapes")
    done = ask(start(typescript, "judge", folder / "photo.jpg", "landscapes"), typescript, plain)
    assert done == (0, f"{folder}/photo.jpg: {wanted['verdict']}: {wanted['reason']}\n", "")
    status, stdout, _ = ask(
        start(typescript, "judge", folder / "liked.json", "landscapes"), typescript, plain
    )
    assert (status, "not judged, UNSUPPORTED_FORMAT: " in stdout) == (0, True)
    status, stdout, stderr = ask(
        start(typescript, "judge", folder / "photo.jpg", "cats"), typescript, plain
    )
    assert (status, stdout) == (1, "")
    assert stderr.startswith("error: NotFound: there is no profile 'cats'")


def test_typescript_watches(typescript, said, documented, folder, plain):
    """What comes while it watches, also from a crawler that was killed meanwhile; it ends when the crawl is paused."""
    later = folder / "later"
    later.mkdir()
    *_, told = documented.ask(
        *("crawl", str(later), "--profile", "landscapes"), *("--follow", "--poll", "1", "--detach")
    )
    crawl_id = told["crawl"]["crawl_id"]
    with (folder / "watch.out").open("w") as output:
        watch = subprocess.Popen(
            start(typescript, "watch", crawl_id),
            cwd=typescript,
            env=plain,
            stdout=output,
            stderr=output,
        )
        try:

            def lines():
                return (folder / "watch.out").read_text().splitlines()

            save(hills(300, SMALL), later / "first.jpg", quality=88)
            wait_for(lambda: len(lines()) == 1)
            os.kill(documented.pid("crawler"), signal.SIGKILL)
            wait_for(lambda: "the crawler is away: " in lines()[-1])
            save(hills(301, SMALL), later / "second.jpg", quality=88)
            wait_for(lambda: "second.jpg: " in lines()[-1])
            rpc = "lodestone.crawler.v1.CrawlerService/PauseCrawl"
            pause = (
                f'grpcurl -plaintext -d \'{{"crawl_id": "{crawl_id}"}}\' $LODESTONE_CRAWLER {rpc}'
            )
            assert ask(["bash", "-c", pause], folder, plain)[0] == 0
            assert watch.wait(30) == 0
        finally:
            watch.kill()
            watch.wait()
    settled = [line for line in lines() if "the crawler is away" not in line]
    assert [Path(line.split(": ")[0]).name for line in settled[:2]] == ["first.jpg", "second.jpg"]
    assert settled[2:] == ["PAUSED: 2 settled"]


def test_typescript_shows_a_certificate_and_a_token(typescript, said, environment, secured):
    """It is refused without the token, and in plaintext."""
    tls = environment | {"LODESTONE_NOVELTY": f"127.0.0.1:{secured[1]}"}
    command = start(typescript, "profiles")
    assert ask(command, typescript, tls)[1].splitlines()[-1] == "landscapes@1: 12 liked"
    status, _, stderr = ask(command, typescript, tls | {"LODESTONE_TOKEN_FILE": ""})
    assert (status, stderr.startswith("error: Unauthenticated: ")) == (1, True)
    plain = tls | {"LODESTONE_TLS": "", "LODESTONE_TOKEN_FILE": ""}
    status, _, stderr = ask(command, typescript, plain)
    assert (status, "; it may want TLS: set LODESTONE_TLS" in stderr) == (1, True)


@pytest.fixture(scope="module")
def cpp(tmp_path_factory):
    """The program of examples/cpp, built as its page says."""
    folder = tmp_path_factory.mktemp("cpp")
    shutil.copytree(
        ROOT / "examples" / "cpp", folder / "cpp", ignore=shutil.ignore_patterns("build")
    )
    programs = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    stubs = [ROOT / "protos" / "stubs" / "generate.sh", "cpp", folder / "stubs"]
    build = ["make", "--silent", "--jobs=2", "--old-file=stubs", f"stubs={folder}/stubs"]
    build += [f"service_config={ROOT}/protos/service_config.json", "build"]
    for command in (stubs, build):
        status, *output = ask(command, folder / "cpp", programs, 500)
        assert status == 0, output
    return folder / "cpp" / "build" / "lodestone-example"


@pytest.mark.long
def test_cpp_lists_profiles_and_judges(cpp, said, documented, folder, plain):
    """As the command does; what is no image is no error, and a mistake is one line."""
    assert ask([cpp, "profiles"], folder, plain)[1].splitlines()[-1] == "landscapes@1: 12 liked"
    [wanted] = documented.ask("judge", str(folder / "photo.jpg"), "--profile", "landscapes")
    judged = f"photo.jpg: VERDICT_{wanted['verdict']}: {wanted['reason']}\n"
    assert ask([cpp, "judge", "photo.jpg", "landscapes"], folder, plain) == (0, judged, "")
    stdout = ask([cpp, "judge", "liked.json", "landscapes"], folder, plain)[1]
    assert stdout.startswith("liked.json: not judged, REJECTION_CODE_UNSUPPORTED_FORMAT: ")
    status, _, stderr = ask([cpp, "judge", "photo.jpg", "cats"], folder, plain)
    assert (status, stderr.startswith("error: NOT_FOUND: there is no profile 'cats'")) == (1, True)


@pytest.mark.long
def test_cpp_shows_a_certificate_and_a_token(cpp, said, environment, secured, folder):
    """It is refused without the token, and in plaintext."""
    tls = environment | {"LODESTONE_NOVELTY": f"127.0.0.1:{secured[1]}"}
    command = [cpp, "profiles"]
    assert ask(command, folder, tls)[1].splitlines()[-1] == "landscapes@1: 12 liked"
    assert ask(command, folder, tls | {"LODESTONE_TOKEN_FILE": ""})[2].startswith(
        "error: UNAUTHENTICATED: "
    )
    plain = tls | {"LODESTONE_TLS": "", "LODESTONE_TOKEN_FILE": ""}
    assert ask(command, folder, plain)[2].startswith("error: UNAVAILABLE: ")


@pytest.mark.long
def test_programs_in_python_are_typed(tmp_path):
    """The programs of docs/client.md pass a strict type checker."""
    for number, program in enumerate(blocks("docs/client.md", "python")):
        (tmp_path / f"program_{number}.py").write_text(program)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        *sorted(tmp_path.glob("*.py")),
    ]
    status, *output = ask(command, ROOT, os.environ | {"MYPYPATH": str(ROOT)}, 300)
    assert status == 0, output
