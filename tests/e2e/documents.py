"""What pages tell their readers to type."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page, language):
    """The code blocks of a page that are in a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands(page):
    """Each command of a page's shell blocks, pipelines whole."""
    command = ""
    for line in "".join(blocks(page, "sh")).splitlines():
        command += line + "\n"
        if line and not line.endswith(("|", "\\")):
            yield command.strip()
            command = ""


def at_ports(text, ports):
    """A text with other ports than those that pages name; `ports` has them by these."""
    return re.sub(r"127\.0\.0\.1:(5005\d)", lambda found: f"127.0.0.1:{ports[found[1]]}", text)
