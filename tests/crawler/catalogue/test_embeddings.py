from __future__ import annotations

from dataclasses import replace

from services.crawler.catalogue import embeddings, judgements
from services.crawler.judgement import Evidence
from services.servicekit.embedding import Precision
from tests.crawler.subjects import decoded_candidate, embedding


async def test_embeddings_come_back_as_they_were_recorded(database):
    """By digest, with encoder id and precision; what has none, or is not known, is left out."""
    recorded = {"a" * 64: embedding(1), "b" * 64: replace(embedding(2), precision=Precision.BF16)}

    def record(connection):
        for digest, found in [*recorded.items(), ("c" * 64, None)]:
            judgements.record_candidates(
                connection,
                [judgements.Learned(digest, decoded_candidate(1), 7, Evidence(embedding=found))],
            )

    await database.run(record)
    digests = ["c" * 64, "b" * 64, "a" * 64, "d" * 64]
    found = await database.run(lambda c: embeddings.get_embeddings(c, digests))
    assert found.keys() == recorded.keys()
    for digest, one in recorded.items():
        assert found[digest].values.tolist() == one.values.tolist()
        assert (found[digest].encoder_id, found[digest].precision) == (
            one.encoder_id,
            one.precision,
        )
    assert await database.run(lambda c: embeddings.get_embeddings(c, [])) == {}
