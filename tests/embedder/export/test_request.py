from pathlib import Path

import pytest

from services.embedder.export.errors import UnknownEncoder, WeightsUnclear
from services.embedder.export.request import parse_request
from services.embedder.export.weights_choice import Checkpoint, PretrainedTag, RandomWeights
from services.servicekit.resize import ResizeRule

OUT = ["--out", "folder"]


def test_the_bundled_encoder_needs_no_options():
    """Its weights are known, and its own resize rule is kept."""
    request = parse_request(["efficientnet-lite0", *OUT])

    assert (request.name, request.out) == ("efficientnet-lite0", Path("folder"))
    assert (request.weights, request.resize, request.json) == (None, None, False)


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        (["--pretrained", "openai"], PretrainedTag("openai")),
        (["--checkpoint", "file.pt"], Checkpoint(Path("file.pt"))),
        (["--random-weights"], RandomWeights(0)),
        (["--random-weights", "--seed", "7"], RandomWeights(7)),
    ],
)
def test_a_clip_model_takes_its_weights_from_one_place(options, weights):
    """A tag, a file, or a seed."""
    assert parse_request(["clip-vit-b-32", *OUT, *options]).weights == weights


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--pretrained", "openai", "--random-weights"],
        ["--checkpoint", "file.pt", "--pretrained", "openai"],
        ["--seed", "7"],
        ["--pretrained", "openai", "--seed", "7"],
    ],
)
def test_a_clip_model_from_no_or_two_places_is_refused(options):
    """Guessing would export an encoder that nobody asked for."""
    with pytest.raises(WeightsUnclear) as caught:
        parse_request(["clip-vit-b-32", *OUT, *options])

    assert caught.value.name == "clip-vit-b-32"


@pytest.mark.parametrize("options", [["--pretrained", "x"], ["--random-weights"], ["--seed", "1"]])
def test_the_bundled_encoder_takes_no_other_weights(options):
    """Its name promises the published ones."""
    with pytest.raises(WeightsUnclear):
        parse_request(["efficientnet-lite0", *OUT, *options])


@pytest.mark.parametrize("rule", list(ResizeRule))
def test_a_resize_rule_can_be_chosen(rule):
    """For either kind of encoder."""
    request = parse_request(["efficientnet-lite0", *OUT, "--resize", rule.value])

    assert request.resize is rule


@pytest.mark.parametrize("name", ["efficientnet-lite9", "vit-b-32", "", "../clip-vit-b-32"])
def test_an_unknown_name_is_refused_before_torch_is_needed(name):
    """The error says which names there are."""
    with pytest.raises(UnknownEncoder) as caught:
        parse_request([name, *OUT])

    assert "efficientnet-lite0" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: NAME, --out"),
        (["efficientnet-lite0"], "required: --out"),
        (["efficientnet-lite0", *OUT, "--resize", "stretch"], "invalid choice: 'stretch'"),
        (["clip-vit-b-32", *OUT, "--random-weights", "--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_a_wrong_option_ends_with_status_2_and_one_line(arguments, says, capsys):
    """Without the usage that argparse prints before its errors."""
    with pytest.raises(SystemExit) as caught:
        parse_request(arguments)

    [line] = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2
    assert says in line
