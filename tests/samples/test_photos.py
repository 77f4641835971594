import pytest

from samples import photos
from samples.errors import DownloadError, TooFewPhotosError, ToolMissingError
from samples.photos import fetch_sample_photos


@pytest.mark.parametrize(
    "error",
    [
        ToolMissingError("apt-get"),
        TooFewPhotosError("liked", found=1, wanted=12, missing=("a", "b")),
    ],
)
def test_where_debian_has_none_commons_is_asked(tmp_path, monkeypatch, error):
    """A system without apt, or with too few of the packages, says so and takes the other source."""

    def debian(cache, *, progress):
        raise error

    def commons(cache, *, progress):
        return "photos of Commons"

    monkeypatch.setattr(photos, "fetch_debian_photos", debian)
    monkeypatch.setattr(photos, "fetch_commons_photos", commons)
    lines = []
    assert fetch_sample_photos(tmp_path, progress=lines.append) == "photos of Commons"
    assert lines == [f"{error}; taking photos of Wikimedia Commons instead"]


def test_without_network_it_is_one_error(tmp_path, monkeypatch):
    """Where apt is there but cannot download, the other source would not answer either."""

    def debian(cache, *, progress):
        raise DownloadError("mate-backgrounds", "Could not resolve the host")

    monkeypatch.setattr(photos, "fetch_debian_photos", debian)
    monkeypatch.setattr(photos, "fetch_commons_photos", pytest.fail)
    with pytest.raises(DownloadError, match="could not download mate-backgrounds"):
        fetch_sample_photos(tmp_path, progress=pytest.fail)
