from __future__ import annotations

import pytest

from services.watermark.train.options import parse_options


def test_folders_may_be_given_one_by_one_or_together():
    """As the command passes them on, and as a shell fills them in."""
    given = ["--photos", "a", "b", "--photos=c", "--without-kinds", "logo", "--out=mine"]
    parsed = parse_options([*given, "--without-kinds=bar"])

    assert [str(folder) for folder in parsed.photos] == ["a", "b", "c"]
    assert parsed.without_kinds == ["logo", "bar"]


@pytest.mark.parametrize("arguments", [[], ["--photos", "a"], ["--photos", "a", "--steps", "0"]])
def test_a_wrong_command_line_ends_with_status_2(arguments, capsys):
    """In one line, which speaks of the command that was typed."""
    with pytest.raises(SystemExit) as caught:
        parse_options([*arguments, "--out", "mine"] if "--steps" in arguments else arguments)

    assert caught.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(" (see: lodestone watermark train --help)")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--backend=embedder", "--resume"], "--resume is for --backend onnxruntime"),
        (["--backend=embedder", "--measure-every=7"], "--measure-every is for --backend onnxrun"),
        (["--pairs=200"], "--pairs is for --backend embedder"),
        (["--encoder=mine"], "--encoder is for --backend embedder"),
        (["--backend=cuda"], "invalid choice: 'cuda'"),
    ],
)
def test_an_option_of_the_other_training_is_refused(capsys, arguments, says):
    """Not passed over in silence."""
    with pytest.raises(SystemExit) as caught:
        parse_options(["--photos", "a", "--out", "mine", *arguments])

    assert caught.value.code == 2
    assert says in capsys.readouterr().err
