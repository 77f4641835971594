"""A profile and an embedder of two precisions, as far as comparing these needs them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from services.crawler.judgement import ProfileVersion
from services.crawler.profile_facts import PrecisionFinding, ProfileFacts
from services.servicekit.embedding import Precision
from tests.crawler.subjects import ENCODER_ID, embedding

PROFILE = ProfileVersion("landscapes", 2)


class PrecisionServices:
    """One profile, fitted to FP32, and an embedder of a precision that a test chooses."""

    def __init__(self, *, moved=0):
        self.served = Precision.BF16
        self.files = [b"first", b"second"]
        self.findings = ()
        self.compared = []
        self.embedded = []
        self._moved = moved

    async def profile(self, name):
        assert name == "landscapes@2"
        return ProfileFacts(PROFILE, ENCODER_ID, Precision.FP32, self.findings)

    async def encoder(self):
        return made(self.served)

    async def thumbnails(self, profile):
        return self.files

    async def embed_files(self, files):
        self.embedded.append(files)
        return [replace(embedding(len(file)), precision=self.served) for file in files]

    async def check_precision(self, profile, embeddings):
        self.compared.append(embeddings)
        # As long as a service takes: others come in between.
        await asyncio.sleep(0)
        precision = embeddings[0].precision
        finding = PrecisionFinding(precision, 2, self._moved, 12.345, 0.5, self._moved == 0, 0.021)
        self.findings = (*self.findings, finding)
        return finding


def made(precision):
    return replace(embedding(), precision=precision)
