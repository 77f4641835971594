from __future__ import annotations

from PIL import Image

from samples.contact_sheet import Picture, write_contact_sheet


def test_kept_first_then_the_others_with_their_reasons(tmp_path):
    """One self-contained page: thumbnails inside, every reason, kept pictures first, hostile names escaped."""
    Image.new("RGB", (600, 400), "green").save(tmp_path / "good.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    pictures = [
        Picture("broken.jpg", "failed, truncated", "it ends too early", "http://x/broken.jpg"),
        Picture(
            "missing.jpg", "failed, not found", "the server answered 404", "http://x/missing.jpg"
        ),
        Picture("<script>good.jpg", "accepted", "log-likelihood 3 & more", "http://x/good.jpg"),
    ]

    def find(picture):
        path = tmp_path / picture.url.rpartition("/")[2]
        return path if path.exists() else None

    write_contact_sheet(tmp_path / "report.html", pictures, title="What was kept", find_file=find)
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Kept <" in page
    assert "<h2>Not kept: failed, truncated <" in page
    assert page.index("log-likelihood 3 &amp; more") < page.index("the server answered 404")
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("no picture") == 2
    assert "<script>" not in page
