"""The gateway's settings: flags of `serve`, or `SLIPWAY_…` in the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from slipway_contracts.node_protocol import OVERDUE_AFTER_SECONDS


class Settings(BaseSettings):
    """Frozen; read once at start."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8700, ge=0, le=65_535, description="TCP port; 0 picks a free one")
    data_dir: Path = Field(
        default=Path(".slipway/gateway"), description="Folder of the embedded store and the development issuer's key"
    )
    store_url: str | None = Field(default=None, description="Product store; the embedded SQLite file when left out")
    store_secret: SecretStr | None = Field(
        default=None, description="Secret that our functions on Convex are called with"
    )
    store_secret_file: Path | None = Field(default=None, description="File with that secret, in place of it")
    sole_gateway: bool = Field(
        default=False, description="Promises that this is the store's only gateway process: none else is looked for"
    )
    allow_testing_store: bool = Field(
        default=False, description="Takes a test host of our functions, which keeps nothing"
    )
    public_url: str | None = Field(default=None, description="URL nodes reach the gateway by, for the enrol command")
    auth_issuer: str | None = Field(
        default=None, description="Issuer of user tokens; the development issuer when left out"
    )
    auth_audience: str = Field(default="slipway", description="Audience that user tokens must name")
    auth_jwks_file: Path | None = Field(default=None, description="JWK set with the issuer's public keys")
    max_open_jobs: int = Field(default=10_000, ge=1, description="Open submissions a workspace may have")
    max_in_flight: int = Field(default=512, ge=1, description="Requests in flight before 429; long polls do not count")
    max_streams: int = Field(default=2_000, ge=1, description="Streams open in this process before 429")
    max_streams_per_tenant: int = Field(
        default=1_000, ge=1, description="Streams that one tenant has open in this process before 429"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins, separated by commas, whose pages may call the gateway from a browser"
    )
    node_overdue_seconds: float = Field(
        default=OVERDUE_AFTER_SECONDS, gt=0, description="Seconds without a heartbeat after which a node is overdue"
    )
    store_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Longest wait for the store's write lock; on Convex for an answer, in all twice that",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @property
    def store(self) -> str:
        """Return the store's URL or path."""
        return self.store_url or str(self.data_dir / "slipway.db")
