"""The crawler's settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.crawler.store.s3_address import S3Access
from services.servicekit.settings import ServiceSettings


class CrawlerSettings(ServiceSettings):
    """Read from `LODESTONE_CRAWLER_…`; the addresses of the model services from `LODESTONE_EMBEDDER` and so on."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_CRAWLER_", extra="ignore")

    port: int = Field(default=50054, ge=0, le=65_535)
    metrics_port: int = Field(default=60054, ge=0, le=65_535)
    health_port: int = Field(default=40054, ge=0, le=65_535)
    embedder: str = Field(
        default="127.0.0.1:50051",
        validation_alias="LODESTONE_EMBEDDER",
        description="Where the embedder is.",
    )
    novelty: str = Field(
        default="127.0.0.1:50052",
        validation_alias="LODESTONE_NOVELTY",
        description="Where the novelty service is.",
    )
    watermark: str = Field(
        default="127.0.0.1:50053",
        validation_alias="LODESTONE_WATERMARK",
        description="Where the watermark service is.",
    )
    catalogue: SecretStr = Field(
        default=SecretStr(""),
        description="A PostgreSQL database for the catalogue: `postgresql://user:password@host:5432/database`, better "
        "in a file that LODESTONE_CRAWLER_CATALOGUE_FILE names; empty is `catalog.sqlite` in the data folder.",
    )
    allowed_addresses: list[str] = Field(
        default=[],
        description="Private addresses that may be fetched from all the same: `127.0.0.1:8099`, `10.1.0.0/16`.",
    )
    local_sources: bool = Field(
        default=True, description="Allow sources that read files on the crawler's machine."
    )
    local_folder: Path | None = Field(
        default=None,
        description="The folder, an absolute path, in which those files are, links followed; unset: anywhere.",
    )
    api_bases: dict[str, str] = Field(
        default={},
        description="Where interfaces are asked instead of at their public addresses, for mirrors and tests: "
        '`{"https://oauth.reddit.com": "http://127.0.0.1:8100/oauth"}`.',
    )
    reddit_client_id: SecretStr = Field(
        default=SecretStr(""), description="An application of Reddit's, for `reddit:`."
    )
    reddit_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The secret of that application."
    )
    reddit_feed_user: SecretStr = Field(
        default=SecretStr(""), description="Whose private feeds `reddit-rss:` uses."
    )
    reddit_feed_token: SecretStr = Field(
        default=SecretStr(""), description="The `feed=` of those feeds' addresses."
    )
    flickr_key: SecretStr = Field(
        default=SecretStr(""), description="A key of Flickr's API, for `flickr:` and links to it."
    )
    imgur_client_id: SecretStr = Field(
        default=SecretStr(""), description="A client of imgur's API, for `imgur:` and albums."
    )
    egress_proxy: SecretStr = Field(
        default=SecretStr(""),
        description="An HTTP proxy that everything is fetched through: `http://user:password@host:3128`; better "
        "in a file that LODESTONE_CRAWLER_EGRESS_PROXY_FILE names.",
    )
    store: str = Field(
        default="",
        description="Where kept images are: empty is the data folder, `s3://bucket/prefix` an S3-compatible service.",
    )
    store_endpoint: str = Field(
        default="", description="The URL of that service, `https://host:port`; empty is AWS."
    )
    store_region: str = Field(
        default="", description="The bucket's region; empty is AWS_REGION, or us-east-1."
    )
    store_access_key_id: SecretStr = Field(
        default=SecretStr(""),
        description="Whom requests to the service are signed for; without it AWS's own variables, or the role of the "
        "machine or pod.",
    )
    store_secret_access_key: SecretStr = Field(
        default=SecretStr(""), description="What they are signed with."
    )
    sinks: SecretStr = Field(
        default=SecretStr(""),
        description='Where kept images are delivered to, a JSON object of names and addresses: `{"mirror": '
        '"folder:/srv/mirror"}`; `webhook:`, `webhook+bytes:` and `scenery:` take a URL. An address may be a secret: '
        "better in a file that LODESTONE_CRAWLER_SINKS_FILE names.",
    )
    sink_secrets: SecretStr = Field(
        default=SecretStr(""),
        description="The secrets of sinks, a JSON object by name: `whsec_…` signs what a webhook gets, of scenery it "
        "is the password of its import bot.",
    )
    gallery: str = Field(
        default="",
        description="A gallery whose reverse search is asked before an image is kept, ambience's: `http://host:port`.",
    )
    gallery_canary: Path | None = Field(
        default=None,
        description="An image that the gallery is known to have: while the search does not find it, it is not trusted.",
    )
    contact: str = Field(
        default="",
        max_length=200,
        pattern=r"^$|^[!-?A-~]+@[!-?A-~]+$|^https?://[!-~]+$",
        description="How a host can reach you: a mail address or URL for the User-Agent. Without it nothing "
        "is asked but `allowed_addresses`.",
    )
    placeholders: Path | None = Field(
        default=None,
        description="A file of pictures that hosts show in place of removed ones, one a line: a SHA-256 digest (as "
        "`sha256sum` writes it), a perceptual hash of 16 hex digits, or a URL.",
    )
    connections: int = Field(
        default=32, ge=1, le=1_024, description="Requests at a time, over all hosts."
    )
    host_connections: int = Field(
        default=4, ge=1, le=64, description="Requests at a time to one host."
    )
    host_requests_per_s: float = Field(
        default=4.0,
        gt=0,
        allow_inf_nan=False,
        description="Requests to one host in a second, at most; fewer if it is slow.",
    )
    min_pixels: int = Field(
        default=1_310_720, ge=0, description="Width × height at least; exactly this passes."
    )
    max_width_ratio: float = Field(
        default=3.0, gt=0, description="Width ÷ height at most; exactly this passes."
    )
    max_height_ratio: float = Field(
        default=2.0, gt=0, description="Height ÷ width at most; exactly this passes."
    )
    keep_better: bool = Field(
        default=True,
        description="Let a better copy of a kept image, larger or with less of a watermark, take its place.",
    )
    max_bytes: int = Field(default=20_000_000, gt=0, description="Bytes of one image at most.")
    max_decoded_pixels: int = Field(
        default=50_000_000, gt=0, description="Pixels of one image at most."
    )
    fetch_timeout_s: float = Field(
        default=30.0, gt=0, description="For one whole answer, redirects included, seconds."
    )
    workers: int = Field(
        default=16, ge=1, le=1_024, description="Listings under way at once, per crawl."
    )
    decoders: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Decoding processes; 0 is one per core that it may use.",
    )

    @field_validator("local_folder")
    @classmethod
    def _local_folder_is_absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            message = f"{str(value)!r} is no absolute path"
            raise ValueError(message)
        return value

    @property
    def s3_access(self) -> S3Access:
        """How a store on S3 is reached."""
        return S3Access(
            self.store_endpoint,
            self.store_region,
            self.store_access_key_id.get_secret_value(),
            self.store_secret_access_key.get_secret_value(),
        )
