"""Where a deployment's functions are."""

from urllib.parse import urlsplit

KINDS = ("convex+https://", "convex+http://")
FUNCTIONS = "/slipway/v1/"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SCHEME_MARK = "convex+"


def is_convex(url: object) -> bool:
    """Tell whether ``url`` names a Convex deployment."""
    return isinstance(url, str) and url.startswith(_SCHEME_MARK)


def functions_url(url: str) -> str:
    """Return the URL that our functions lie under; raises ValueError, which never repeats what it was given."""
    if not url.startswith(KINDS):
        raise ValueError("a Convex store is named as convex+https://<deployment>.convex.site")
    parts = urlsplit(url.removeprefix(_SCHEME_MARK))
    try:
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # its port is no number of a port
        named = False
    if not named:
        raise ValueError("the Convex store's URL names no host, or a port that is none")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("the Convex store's secret would cross the network in plain text: use convex+https://")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the Convex store's URL is host and path alone; its secret is SLIPWAY_STORE_SECRET")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{FUNCTIONS}"
