"""`python -m services.watermark.evaluate DIR --out DIR`: a detector and photos in, `evaluation.json` out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import LodestoneError
from services.servicekit.image import Rgb
from services.servicekit.inference.backend import Backend
from services.watermark.command_line import INTERRUPTED, CommandParser, configure_notes, fail
from services.watermark.config import WatermarkBackend
from services.watermark.detector import Detector
from services.watermark.detector_backend import detector_backend
from services.watermark.detector_folder import (
    DETECTORS,
    DetectorFolder,
    load_detector_folder,
)
from services.watermark.evaluate.drawn_images import drawn_images
from services.watermark.evaluate.evaluation import evaluation_of, judge_images, thumbnail_of
from services.watermark.evaluate.judged_image import ImageFacts
from services.watermark.evaluate.judged_parts import parts_of
from services.watermark.evaluate.judging import judge_one
from services.watermark.evaluate.labelled_images import is_labelled, labelled_images
from services.watermark.evaluate.photo_files import find_photo_files
from services.watermark.evaluate.progress import ImageProgress, PhotoProgress
from services.watermark.evaluate.report_files import make_folder, write_evaluation, write_heat
from services.watermark.evaluate.second_generator import SecondGenerator
from services.watermark.evaluate.threshold import MAX_FALSE_POSITIVE_RATIO
from services.watermark.evaluate.wording import fonts_of
from services.watermark.head_detector import HeadDetector
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.generator import MarkGenerator
from services.watermark.synthesis.lettering import Lettering, find_fonts
from services.watermark.synthesis.photo_file import read_photo, shown
from services.watermark.synthesis.texts import HELD_OUT_TEXTS
from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from services.watermark.train.photos import Role, role_of

# The shares of training folders that train and calibrate, by their photos' digests.
_TRAINED_ON = (0.8, 0.9)


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line, 130 interrupted."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.folder is None and parsed.heat is None:
        parser.error("a folder to evaluate with, or --heat FILE, is needed")
    configure_notes("evaluate", as_json=parsed.json)
    try:
        make_folder(parsed.out)
        detector = _detector(parsed)
        if parsed.heat is not None:
            _heat(parsed.heat, detector, parsed.out)
        if parsed.folder is not None:
            _evaluate(parsed, detector)
    except LodestoneError as error:
        return fail(error, 1)
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)
    return 0


def _detector(parsed: argparse.Namespace) -> Detector:
    folder = load_detector_folder(DETECTORS.find(parsed.detector, parsed.data))
    backend = detector_backend(folder, parsed.backend, threads=parsed.threads)
    if parsed.backend is WatermarkBackend.EMBEDDER:
        return _head(folder, backend, parsed)
    return Detector(folder, backend, threshold=parsed.threshold)


def _head(folder: DetectorFolder, head: Backend, parsed: argparse.Namespace) -> HeadDetector:
    """The encoder is computed here, as the embedder would compute it."""
    encoder_folder = load_encoder_folder(ENCODERS.find(parsed.encoder, parsed.data))
    encoder = QuadrantEncoder(encoder_folder, threads=parsed.threads)
    detector = HeadDetector(folder, head, encoder.embed_each, threshold=parsed.threshold)
    detector.require(encoder.served)
    return detector


def _evaluate(parsed: argparse.Namespace, detector: Detector) -> None:
    judged = list(judge_images(_images(parsed), detector))
    evaluation = evaluation_of(
        judged,
        threshold=detector.threshold,
        max_false_positive_ratio=parsed.max_false_positive_ratio,
    )
    write_evaluation(parsed.out, evaluation, judged, detector.facts)


def _images(parsed: argparse.Namespace) -> Iterator[tuple[ImageFacts, Rgb]]:
    if is_labelled(parsed.folder):
        yield from _labelled(parsed)
        return
    generators = _generators(tuple(parsed.fonts))
    keep = _was_held_out if parsed.held_out else lambda _: True
    photos = find_photo_files(parsed.folder, keep=keep)[: parsed.limit]
    progress = PhotoProgress(len(photos))
    for number, photo in enumerate(photos):
        progress.advance(number)
        for image in drawn_images(photo, generators, parsed.seed):
            yield image
            progress.advance(number)


def _labelled(parsed: argparse.Namespace) -> Iterator[tuple[ImageFacts, Rgb]]:
    progress = ImageProgress()
    for number, image in enumerate(labelled_images(parsed.folder, parsed.limit), start=1):
        yield image
        progress.advance(number)


def _generators(folders: tuple[Path, ...]) -> dict[str, MarkGenerator]:
    """Both, with texts that nothing is trained on; without folders in the fonts of Pillow and of matplotlib."""
    files = find_fonts(folders)
    first = DrawnMarks(Lettering(files, HELD_OUT_TEXTS))
    return {"first": first, "second": SecondGenerator(fonts_of(files))}


def _was_held_out(digest: str) -> bool:
    return role_of(digest, _TRAINED_ON) is Role.TEST


def _heat(path: Path, detector: Detector, out: Path) -> None:
    rgb = read_photo(path)
    detection = judge_one(shown(path.name), rgb, detector)
    height_px, width_px = rgb.shape[:2]
    shape = detector.facts.input_shape
    parts = parts_of(width_px, height_px, shape)
    facts = {
        "file": shown(path.name),
        "probability": detection.probability,
        "threshold": detection.threshold,
        "upscaled": shape.enlarges(width_px, height_px),
        "columns": parts.columns,
        "quadrants": dict(zip(parts.names, detection.quadrant_probabilities, strict=True)),
    }
    write_heat(out, facts, thumbnail_of(rgb))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "evaluate",
        "Measures a watermark detector on photos with drawn marks, or on labelled images.",
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="DIR", help="photos; or clean/ and marked/")
    add(
        "--detector",
        default="quadrant-tiles",
        metavar="NAME|DIR",
        help="default quadrant-tiles",
    )
    add("--data", type=Path, default=Path("data"), metavar="DIR", help="default data")
    backends = list(WatermarkBackend)
    add("--backend", type=WatermarkBackend, choices=backends, default=WatermarkBackend.ONNXRUNTIME)
    add("--encoder", default="efficientnet-lite0", metavar="NAME|DIR", help="of a head")
    add("--threads", type=int, default=0, help="CPU threads; 0 is one per core")
    add("--out", type=Path, required=True, metavar="DIR", help="where the report's files go")
    add("--heat", type=Path, metavar="FILE", help="an image to map by its quadrants")
    add("--fonts", type=Path, action="append", default=[], metavar="DIR", help="to write marks in")
    add("--json", action="store_true", help="notes on stderr as JSON objects")
    add("--held-out", action="store_true", help="only photos that training keeps for tests")
    add("--limit", type=int, metavar="N", help="photos at most; of each label if labelled")
    add("--seed", type=int, default=0, help="of everything random (default 0)")
    add("--threshold", type=_share, metavar="P", help="instead of the detector's own")
    add(
        "--max-false-positive-ratio",
        type=_share,
        default=MAX_FALSE_POSITIVE_RATIO,
        metavar="R",
        help="clean images that may be lost, to say which threshold fits (default 0.02)",
    )
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        message = f"{text} is not in [0, 1]"
        raise argparse.ArgumentTypeError(message)
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
