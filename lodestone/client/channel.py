"""Channels as our servers like them: spread over replicas, quick to come back, and patient."""

from __future__ import annotations

import json
from typing import Final

import grpc

MEBIBYTE: Final = 1024 * 1024

# What outlives its server by other means: MultiplexedStream and CrawlerClient.watch_crawl open them again.
_REOPENED: Final = (
    ("lodestone.embedder.v1.EmbedderService", "StreamEmbedImages"),
    ("lodestone.novelty.v1.NoveltyService", "StreamScoreEmbeddings"),
    ("lodestone.watermark.v1.WatermarkService", "StreamDetectWatermarks"),
    ("lodestone.crawler.v1.CrawlerService", "StreamJudgeImages"),
    ("lodestone.crawler.v1.CrawlerService", "WatchCrawl"),
)


def connect(address: str, *, max_message_bytes: int = 64 * MEBIBYTE) -> grpc.aio.Channel:
    """A channel to every replica that `address` (`host:port`) resolves to, in turn.

    Nothing is sent before the first call. Calls that meet UNAVAILABLE are tried four times within about two seconds:
    every method of ours is idempotent. Must be called in a running event loop.

    Args:
        address: `host:port`, or any gRPC target with a scheme.
        max_message_bytes: The largest message to send or receive.
    """
    target = address if address.startswith("unix:") or ":///" in address else f"dns:///{address}"
    options: list[tuple[str, int | str]] = [
        ("grpc.service_config", json.dumps(_service_config())),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A peer that hangs is noticed within half a minute; servers allow a ping every ten seconds.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # The services are neighbours; a proxy for the outside world does not reach them.
        ("grpc.enable_http_proxy", 0),
    ]
    return grpc.aio.insecure_channel(target, options=options)


def _service_config() -> dict[str, object]:
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5},
        "methodConfig": [
            {"name": [{"service": service, "method": method} for service, method in _REOPENED]},
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            },
        ],
    }
