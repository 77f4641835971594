"""Encoders on this machine, by name or by path."""

from __future__ import annotations

import pytest

from lodestone.cli.encoder_folders import described_encoders, require_encoder
from lodestone.cli.errors import CliError


@pytest.fixture
def folders(tmp_path):
    """A checkout with one bundled encoder, and a data folder with an exported and a broken one."""
    described = {
        tmp_path / "checkout" / "encoders" / "bundled": '{"name": "bundled"}',
        tmp_path / "data" / "artifacts" / "encoders" / "mine": '{"name": "mine"}',
        tmp_path / "data" / "artifacts" / "encoders" / "torn": '{"name": ',
    }
    for folder, text in described.items():
        folder.mkdir(parents=True)
        (folder / "encoder.json").write_text(text)
    return tmp_path / "data", tmp_path / "checkout"


def test_bundled_and_exported_encoders_are_described(folders):
    """Bundled ones first; one that cannot be read is noted."""
    notes = []
    found = list(described_encoders(*folders, notes.append))
    assert [(path.name, facts) for path, facts in found] == [
        ("bundled", {"name": "bundled"}),
        ("mine", {"name": "mine"}),
    ]
    assert len(notes) == 1
    assert "torn" in notes[0]


def test_an_encoder_is_known_by_name_and_by_path(folders):
    """Both kinds of names, and any folder."""
    data, checkout = folders
    for encoder in ("bundled", "mine", str(checkout / "encoders" / "bundled")):
        assert require_encoder(encoder, data, checkout) is None


def test_an_unknown_encoder_is_refused_with_the_names_there_are(folders):
    """And a path that leads nowhere with itself; a file is no folder."""
    data, checkout = folders
    with pytest.raises(CliError, match=r"no encoder 'nope'; there is bundled, mine, torn"):
        require_encoder("nope", data, checkout)
    for path in ("./nope", str(data / "artifacts" / "encoders" / "mine" / "encoder.json")):
        with pytest.raises(CliError, match=f"^there is no encoder folder {path}$"):
            require_encoder(path, data, checkout)
