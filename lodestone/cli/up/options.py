"""The options of `lodestone up`."""

from __future__ import annotations

from typing import Annotated

import typer

EncoderOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="The encoder to serve; see `lodestone encoder list`."),
]
AllowAddressOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST:PORT",
        help="A private address that crawls may fetch from all the same, for example "
        "127.0.0.1:8099 or 10.1.0.0/16; may be repeated.",
    ),
]
MinPixelsOption = Annotated[
    int | None,
    typer.Option(min=0, help="The smallest image that a crawl keeps, width × height."),
]
ContactOption = Annotated[
    str,
    typer.Option(
        metavar="MAIL_OR_URL",
        help="How a host can reach you; goes into the User-Agent. Without it nothing but "
        "--allow-address is asked.",
    ),
]
HostRequestsOption = Annotated[
    float | None,
    typer.Option(min=0.01, help="Requests to one host in a second, at most."),
]
DetectorOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="The watermark detector to serve, or a folder of one."),
]
WatermarkBackendOption = Annotated[
    str,
    typer.Option(
        metavar="onnxruntime|cuda|embedder",
        help="What computes the detector; embedder for a head over the embedder's embeddings.",
    ),
]
CrawlersOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="So many crawlers share the work; more than one need a catalogue on PostgreSQL.",
    ),
]
