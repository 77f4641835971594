"""Where catalogue and store are: in a data folder, or on PostgreSQL and S3."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import NullPool

from services.crawler.catalogue.schema import crawl_counts, images, kept_images, listings
from services.crawler.config import CrawlerSettings
from services.crawler.store.s3_address import S3Address
from services.crawler.verifying.catalogue_reading import CatalogueUnreadable
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.stored_files import blob_path, name_path, sidecar_path
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.faults.failpoints import BUCKET_POINTS, FOLDER_POINTS

ROOT = Path(__file__).parents[2]
# What is on its way is no problem to a check that runs beside a crawler, or behind one that died.
YOUNG_S = 3_600.0


class _Place:
    """What both have in common; `_read` gives a connection to the catalogue.

    Attributes:
        word: What a report calls it.
        points: Those that its crawler passes.
        data: The data folder.
        settings: Its crawler's, as variables.
    """

    def problems(self, *, grace_s=YOUNG_S):
        """What `lodestone verify` finds wrong, as (kind, message)."""
        places = self._checked()
        catalogue = places.open_catalogue()
        try:
            files, terms = places.open_files(catalogue), CheckTerms(time.time(), grace_s)
            check = Verification(catalogue, files, terms, threads=places.threads)
            return [(one.kind.value, one.message) for one in check.check(lambda _: None)]
        finally:
            catalogue.close()

    def verify_deep(self, embedder):
        """Runs the command, which decodes and embeds everything again; returns its summary. No crawler runs."""
        command = ["-m", "services.crawler.verifying", f"--data={self.data}", "--deep", "--json"]
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False,
            env=os.environ | self.settings | {"LODESTONE_EMBEDDER": embedder}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])["summary"]

    def files_of(self, digest, names):
        """The files of an image that are there."""
        places = self._checked()
        catalogue = places.open_catalogue()
        try:
            files = places.open_files(catalogue)
            paths = [blob_path(digest), sidecar_path(digest)]
            paths += [name_path("colours", name) for name in names]
            return [path for path in paths if files.exists(path)]
        finally:
            catalogue.close()

    def _checked(self):
        prefix = "LODESTONE_CRAWLER_"
        named = {
            name.removeprefix(prefix).lower(): value
            for name, value in self.settings.items()
            if name.startswith(prefix)
        }
        return CheckedPlaces(CrawlerSettings(data=self.data, **named))

    def counts(self, crawl_id):
        """How many listings of a crawl ended which way."""
        query = select(crawl_counts).where(crawl_counts.c.crawl_id == crawl_id)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        ended = Counter()
        for row in rows:
            assert not row["known"]
            ended[row["outcome_state"], row["outcome_reason"], row["verdict"]] += row["count"]
        return ended

    def image_count(self):
        """How many images are kept."""
        return self.scalar(select(func.count()).select_from(images))

    def lease_count(self):
        """How many listings somebody holds."""
        held = listings.c.lease_owner.is_not(None)
        return self.scalar(select(func.count()).select_from(listings).where(held))

    def kept_digests(self):
        """The digests of what is kept, in the order of keeping."""
        query = select(images.c.digest).order_by(images.c.sequence)
        with self._read() as connection:
            return list(connection.scalars(query))

    def names_of(self, digest):
        """The readable names of an image."""
        query = select(kept_images.c.file_name).where(kept_images.c.digest == digest)
        with self._read() as connection:
            return list(connection.scalars(query))

    def scalar(self, query):
        """The one value that a query gives."""
        with self._read() as connection:
            return connection.execute(query).scalar_one()


class InFolder(_Place):
    """A data folder, with SQLite."""

    word = "sqlite + folder"
    points = FOLDER_POINTS

    def __init__(self, folder):
        self.data = folder / "data"
        self.settings = {"LODESTONE_DATA": str(self.data)}

    def exists(self):
        """Whether there is a catalogue."""
        try:
            self._checked().open_catalogue().close()
        except CatalogueUnreadable:
            return False
        return True

    @contextlib.contextmanager
    def _read(self):
        catalogue = self._checked().open_catalogue()
        try:
            with catalogue.read() as connection:
                yield connection
        finally:
            catalogue.close()


class InCluster(_Place):
    """A database of its own on a PostgreSQL server, and a prefix of its own in a bucket."""

    word = "PostgreSQL + S3"
    points = BUCKET_POINTS

    def __init__(self, folder, postgres, database, s3_server):
        """Takes the servers, and the address of the database."""
        self.data = folder / "data"
        self.postgres, self.s3_server = postgres, s3_server
        self._engine = create_engine(database, poolclass=NullPool)
        s3_server.make_bucket("faults")
        self._address = S3Address("faults", database.database)
        self.database = database.database
        self.settings = {
            "LODESTONE_DATA": str(self.data),
            "LODESTONE_CRAWLER_CATALOGUE": postgres.address(database.database),
            "LODESTONE_CRAWLER_STORE": str(self._address),
            "LODESTONE_CRAWLER_STORE_ENDPOINT": s3_server.endpoint,
            "LODESTONE_CRAWLER_STORE_REGION": "us-east-1",
            "LODESTONE_CRAWLER_STORE_ACCESS_KEY_ID": s3_server.owner.access_key_id,
            "LODESTONE_CRAWLER_STORE_SECRET_ACCESS_KEY": s3_server.owner.secret_access_key,
        }

    def exists(self):
        """Its database begins with one."""
        return True

    @contextlib.contextmanager
    def _read(self):
        with self._engine.connect() as connection, connection.begin():
            yield connection


@contextlib.contextmanager
def cluster(folder, postgres, s3_server):
    """A place on two servers, whose database is dropped in the end."""
    with postgres.database() as url:
        yield InCluster(folder, postgres, url, s3_server)


async def off_loop(work, *arguments, **named):
    """Runs what blocks in a thread."""
    return await asyncio.to_thread(work, *arguments, **named)
