"""Whole trainings of two steps, and what goes on from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from services.servicekit.errors import Misconfigured
from services.watermark.train.claim import FolderTaken
from services.watermark.train.marks import Marks
from services.watermark.train.photos import PhotoFolders, Role, find_photos
from tests.fakes.image_files import photo
from tests.watermark.train.drawn_photos import photo_files

pytestmark = pytest.mark.export

FILES = {"model.onnx", "detector.json", "metrics.json", "curves.png", "checkpoint.pt"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Enough of them for every role."""
    return photo_files(tmp_path_factory.mktemp("all") / "photos", range(40))


def train(photos, out, *, resume=False, variant="quadrants", save_every=1, **fields):
    from services.watermark.train.fitting import FitPlan
    from services.watermark.train.network import Variant
    from services.watermark.train.recipe import Recipe, train_detector

    out.mkdir(exist_ok=True, parents=True)
    plan = FitPlan(2, measure_every=2, save_every=save_every, workers=0)
    folders = PhotoFolders(training=(photos,), marked=fields.pop("marked", ()))
    given = {"marks": Marks(), "seed": 0, "batch": 8, "threads": 1, **fields}
    recipe = Recipe(photos=folders, plan=plan, variant=Variant(variant), **given)
    train_detector(recipe, out, resume=resume)


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A detector folder."""
    out = tmp_path_factory.mktemp("trained") / "mine"
    train(photos, out)
    return out


def copy_of(trained, folder):
    """Its checkpoint alone, in a folder of the same name."""
    out = folder / trained.name
    out.mkdir()
    shutil.copy(trained / "checkpoint.pt", out)
    return out


def test_going_on_leaves_the_same_files(photos, trained, tmp_path):
    """Byte by byte, where no step was left too."""
    out = copy_of(trained, tmp_path)
    train(photos, out, resume=True)

    assert {path.name for path in out.iterdir()} == FILES
    for name in FILES:
        assert (out / name).read_bytes() == (trained / name).read_bytes(), name


def test_another_variant_is_measured_anew_in_a_folder_of_its_own(photos, trained, tmp_path):
    """The detector that is there stays."""
    with pytest.raises(FolderTaken, match="it holds a detector of variant quadrants"):
        train(photos, trained, resume=True, variant="nine")
    out = copy_of(trained, tmp_path)
    train(photos, out, resume=True, variant="nine")

    four, nine = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, out))
    assert {path.name for path in out.iterdir()} == FILES
    assert four["held_out"]["loss"] == nine["held_out"]["loss"]
    assert four["held_out"]["first_loss"] != nine["held_out"]["first_loss"]


def test_other_photos_are_another_training(photos, trained, tmp_path):
    """As many of them, but one is another."""
    other = shutil.copytree(photos, tmp_path / "photos")
    found = find_photos(PhotoFolders(training=(other,)))
    path = next(each.path for each in found if each.role is Role.TRAIN)
    before = sum(each.role is Role.TRAIN for each in found)
    for seed in range(100, 200):
        PillowImage.fromarray(photo(200, 150, seed=seed)).save(path)
        found = find_photos(PhotoFolders(training=(other,)))
        if sum(each.role is Role.TRAIN for each in found) == before:
            break

    with pytest.raises(Misconfigured, match=rf"trained with photos {before} \(\w+\), not {before}"):
        train(other, copy_of(trained, tmp_path), resume=True)


def test_labelled_images_and_fonts_are_part_of_a_training(photos, trained, tmp_path):
    """None were given when it began."""
    import matplotlib as mpl

    out = copy_of(trained, tmp_path)
    marked = photo_files(tmp_path / "marked", range(50, 60))
    with pytest.raises(Misconfigured, match=r"trained with marked 0 \(\w+\), not \d"):
        train(photos, out, resume=True, marked=(marked,))
    font = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    with pytest.raises(Misconfigured, match=r"trained with fonts 0 \(\w+\), not 1"):
        train(photos, out, resume=True, marks=Marks(fonts=(font,)))
