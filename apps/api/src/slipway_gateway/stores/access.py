"""How a store over a network is entered."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Access:
    """What a store over a network is entered by, each by the setting of its name; a file needs none of it."""

    store_secret: SecretStr | None = None
    store_secret_file: Path | None = None
    sole_gateway: bool = False
    allow_testing_store: bool = False

    def secret(self) -> SecretStr:
        """Return the secret, from the environment or its file; raises ValueError, which never repeats it."""
        if self.store_secret is not None and self.store_secret_file is not None:
            raise ValueError("SLIPWAY_STORE_SECRET and SLIPWAY_STORE_SECRET_FILE are both set: set one")
        if self.store_secret is not None:
            secret, source = self.store_secret.get_secret_value(), "SLIPWAY_STORE_SECRET"
        elif self.store_secret_file is not None:
            secret, source = _content_of(self.store_secret_file), "SLIPWAY_STORE_SECRET_FILE"
        else:
            raise ValueError("the store needs SLIPWAY_STORE_SECRET or SLIPWAY_STORE_SECRET_FILE")
        secret = secret.strip()
        if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ValueError(f"{source} holds no secret: it is one word of printable ASCII")
        return SecretStr(secret)


def _content_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"SLIPWAY_STORE_SECRET_FILE cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("SLIPWAY_STORE_SECRET_FILE holds no text") from None
