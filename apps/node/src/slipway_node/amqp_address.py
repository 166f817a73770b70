"""Where an admin's RabbitMQ is, and who this node is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORTS: Mapping[str, int] = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True)
class AmqpAddress:
    """A broker's address; its password is in nothing that is printed. ``parameters`` are AMQP's, as in `cafile`."""

    protocol: str
    username: str
    password: str = field(repr=False)
    host: str
    port: int
    virtual_host: str
    parameters: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}/{self.virtual_host}"


def amqp_address(url: str) -> AmqpAddress:
    """Return what `amqp://USER:PASSWORD@HOST:PORT/VHOST` says; raises ValueError, which repeats nothing of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unusable() from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not parts.username or not parts.password:
        raise _unusable()
    return AmqpAddress(
        protocol=parts.scheme,
        username=unquote(parts.username),
        password=unquote(parts.password),
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        virtual_host=unquote(parts.path.removeprefix("/")),
        parameters=dict(parse_qsl(parts.query)),
    )


def _unusable() -> ValueError:
    return ValueError("the broker's URL has to be amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://")
