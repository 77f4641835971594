"""Which line of a log says why its process ended."""

from __future__ import annotations

import pytest

from lodestone.cli.up.last_words import last_words

SERVING = '{"event": "serving", "level": "info", "service": "novelty"}'
FAILED = '{"event": "the disk is full", "level": "error", "service": "novelty"}'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], ""),
        ([SERVING], ""),
        ([FAILED, SERVING], ""),
        (["[W:onnxruntime] a warning", SERVING], ""),
        ([SERVING, '{"event": "slow", "level": "warning"}'], ""),
        (["2026-11-22T10:00:00.123Z \x1b[2m[\x1b[32minfo     \x1b[0m] serving"], ""),
        (["2026-11-22T10:00:00.123Z [error    ] no\x1b[1mway"], "[error ] noway"),
        ([SERVING, FAILED], "the disk is full"),
        ([SERVING, "Traceback (most recent call last):", '  File "x"', "OSError: no"], "OSError: no"),
        (["error: no such port", SERVING, "Traceback"], "no such port"),
        (["error: one", "error:  two"], "two"),
        ([SERVING, "terminate called after throwing", "", "   "], "terminate called after"),
        (["[1, 2]"], "[1, 2]"),
    ],
)  # fmt: skip
def test_only_a_line_that_is_an_error_is_the_cause(lines, words):
    """`error: …` anywhere; else the last line, unless it was logged in passing."""
    found = last_words("\n".join(lines))
    assert (words in found) if words else found == ""
