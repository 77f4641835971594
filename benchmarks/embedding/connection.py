"""Connections of their own: channels of one process to one address share one unless they are told not to."""

from __future__ import annotations

import grpc


def own_connection(address: str) -> grpc.aio.Channel:
    """A channel with a connection of its own, as that of another process would be."""
    return grpc.aio.insecure_channel(
        address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    )
