"""What `lodestone verify` checks of a data folder, for a catalogue on PostgreSQL and a store on S3."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from services.crawler.store.s3_address import S3Limits
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.verifying.judgement_checks import check_duplicates, check_judgements
from services.crawler.verifying.kept_pairs import check_kept_pairs
from services.crawler.verifying.row_checks import check_crawls, check_listings, check_purges
from services.crawler.verifying.sidecar_facts import differing_facts, parse_sidecar
from services.crawler.verifying.stored_image import read_page

_ROW_CHECKS = (check_listings, check_crawls, check_judgements, check_duplicates, check_kept_pairs)
_ALL = 1_000_000
_ASKED_TOGETHER = 8


def check_cluster(connection, address, access, terms):
    """Returns what is wrong, as (kind, message): in rows, objects and their names. Bytes without a row are young."""
    found = [(one.kind.value, one.message) for check in _ROW_CHECKS for one in check(connection)]
    found += [(one.kind.value, one.message) for one in check_purges(connection, terms)]
    bucket = S3Bucket(address, access, S3Limits())
    stored = read_page(connection, after=0, limit=_ALL)
    with ThreadPoolExecutor(_ASKED_TOGETHER) as threads:
        for problems in threads.map(lambda image: list(_check_image(bucket, image)), stored):
            found += problems
    if terms.grace_s == 0:
        found += _strays(bucket, {image.digest for image in stored})
    return found


def _check_image(bucket, image):
    key = f"blobs/{image.digest[:2]}/{image.digest}"
    blob, sidecar = bucket.get(key), bucket.get(f"{key}.json")
    if blob is None:
        yield "BLOB_MISSING", key
    elif hashlib.sha256(blob.content).hexdigest() != image.digest:
        yield "BLOB_DAMAGED", key
    facts = parse_sidecar(sidecar.content) if sidecar else None
    if facts is None:
        yield "SIDECAR_MISSING", key
    elif differing := differing_facts(facts, image):
        yield "SIDECAR_DIFFERS", f"{key}: {differing}"
    for kept in image.keeps:
        named = bucket.get(f"kept/{kept.profile.name}/{kept.file_name}")
        if kept.linked and (named is None or blob is None or named.content != blob.content):
            yield "NAME_DIFFERS", kept.file_name


def _strays(bucket, stored):
    keys = [one["path"] for page in bucket._client.list("blobs") for one in page]
    digests = {key.rpartition("/")[2].removesuffix(".json") for key in keys}
    return [("ORPHAN", digest) for digest in sorted(digests - stored)]
