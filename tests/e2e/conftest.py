"""The four services as real processes on ports of their own, and pictures to mine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.fakes.ports import free_ports
from tests.postgres.fixtures import postgres

__all__ = ["postgres"]

ROOT = Path(__file__).parents[2]
WORDS = ("embedder", "novelty", "watermark", "crawler")
BATCHES = ("LODESTONE_EMBEDDER_MAX_BATCH", "LODESTONE_WATERMARK_MAX_BATCH")


def hills(seed, size=(1400, 1000)):
    """A sky, a sun and rows of hills: all of one kind, no two alike."""
    rng = np.random.default_rng(seed)
    width, height = size
    sky = np.linspace(rng.integers(120, 180), rng.integers(200, 255), height)[:, None]
    tint = rng.uniform(0.75, 1.0, 3) * (0.7, 0.85, 1.0)
    image = Image.fromarray(
        (sky[..., None] * tint * np.ones((height, width, 1))).clip(0, 255).astype(np.uint8)
    )
    draw = ImageDraw.Draw(image)
    x, y, r = rng.integers(100, width - 100), rng.integers(80, height // 3), rng.integers(30, 90)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, int(rng.integers(150, 220))))
    xs = np.arange(0, width + 20, 20)
    for row in range(4):
        base = height * (0.45 + 0.13 * row)
        waves = sum(
            rng.uniform(15, 60) * np.sin(xs * rng.uniform(0.002, 0.01) + rng.uniform(0, 6))
            for _ in range(3)
        )
        shade = np.array([40, 90, 45]) * (1.5 - 0.28 * row) * rng.uniform(0.8, 1.1, 3)
        line = list(zip(xs.tolist(), (base + waves).tolist(), strict=True))
        draw.polygon(
            [(0, height), *line, (width, height)], fill=tuple(int(v) for v in shade.clip(0, 255))
        )
    return image.filter(ImageFilter.GaussianBlur(1.2))


def graphic(seed, size=(1400, 1000)):
    """Coloured boxes and letters: nothing like a hill."""
    rng = np.random.default_rng(1000 + seed)
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 255, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = rng.integers(0, size[0] - 50), rng.integers(0, size[1] - 50)
        w, h = rng.integers(20, 300, 2)
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        draw.rectangle((x, y, x + w, y + h), fill=colour, outline="black", width=5)
    return image


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """`liked/` 30 hills, `site/` 8 other hills, 8 graphics, copies and broken files."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(30):
        save(hills(number), folder / "liked" / f"hill-{number:02}.jpg", quality=88)
    site = folder / "site"
    for number in range(8):
        save(hills(100 + number), site / f"find-{number}.jpg", quality=88)
        save(graphic(number), site / f"graphic-{number}.png")
    save(hills(100).resize((1700, 1214)), site / "copy-resized.jpg", quality=80)
    save(hills(101), site / "copy-recompressed.jpg", quality=40)
    save(hills(3), site / "copy-of-liked.jpg", quality=50)
    (site / "copy-exact.jpg").write_bytes((site / "find-2.jpg").read_bytes())
    save(hills(200).resize((320, 240)), site / "small.jpg")
    (site / "truncated.jpg").write_bytes((site / "find-3.jpg").read_bytes()[:20_000])
    (site / "text.jpg").write_text("not a picture")
    save(Image.new("RGB", (1, 1)), site / "dot.png")
    return folder


class Lodestone:
    """`lodestone up` on its own ports and data folder, and the commands against it."""

    def __init__(self, folder, *options):
        self.data = folder / "data"
        self.ports = dict(zip(WORDS, free_ports(4), strict=True))
        self.environment = os.environ | {
            f"LODESTONE_{word.upper()}": f"127.0.0.1:{port}" for word, port in self.ports.items()
        }
        self.environment["LODESTONE_DATA"] = str(self.data)
        # The bundled detector is made for photos and takes some of the drawn pictures for marked ones.
        self.environment["LODESTONE_WATERMARK_THRESHOLD"] = "1"
        # A start tries every batch up to the largest, for half of its time; few images come at once here.
        self.environment |= dict.fromkeys(BATCHES, "4")
        self._folder = folder
        self._options = options
        self._process = None

    def start(self):
        self._output = (self._folder / "up.out").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lodestone.cli", "up", *self._options],
            cwd=ROOT, env=self.environment, stdout=self._output, stderr=self._output,
        )  # fmt: skip
        try:
            self.wait_for_line("ready", 90)
        except BaseException:
            self.stop()
            raise

    def wait_for_line(self, line, seconds):
        deadline = time.monotonic() + seconds
        path = self._folder / "up.out"
        while line not in path.read_text().splitlines():
            assert self._process.poll() is None, path.read_text()
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.1)

    def stop(self):
        self._output.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(60) == 0

    def pid(self, word):
        """The process that runs a service now."""
        import psutil

        for child in psutil.Process(self._process.pid).children(recursive=True):
            # One that has just been killed is a zombie until `up` has noticed.
            with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                if child.cmdline()[-2:] == ["-m", f"services.{word}"]:
                    return child.pid
        return None

    def popen(self, *words, stdout):
        return subprocess.Popen(
            [sys.executable, "-m", "lodestone.cli", *words],
            cwd=ROOT, env=self.environment, stdout=stdout, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words, timeout=180):
        return subprocess.run(
            [sys.executable, "-m", "lodestone.cli", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def ask(self, *words):
        """Runs a command with --json and returns its objects; it must succeed."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def verify(self, *options):
        """Checks the data folder, whatever runs and whatever was killed; nothing may be wrong. Returns the summary."""
        done = self.run("verify", "--json", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])["summary"]


@pytest.fixture(scope="session")
def lodestone(tmp_path_factory, pictures):
    """A running Lodestone, with batches as large as they are without a setting, that has learnt the profile `hills`."""
    running = Lodestone(tmp_path_factory.mktemp("lodestone"))
    for name in BATCHES:
        del running.environment[name]
    running.start()
    running.ask("profile", "fit", "hills", str(pictures / "liked"))
    yield running
    running.stop()
