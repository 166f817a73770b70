"""Where a deployment's functions are."""

from urllib.parse import urlsplit

KINDS = ("convex+https://", "convex+http://")
FUNCTIONS = "/slipway/v1/"
_SCHEME_MARK = "convex+"


def is_convex(url: object) -> bool:
    """Tell whether ``url`` names a Convex deployment."""
    return isinstance(url, str) and url.startswith(_SCHEME_MARK)


def functions_url(url: str) -> str:
    """Return the URL that our functions lie under; raises ValueError, which never repeats what it was given."""
    if not url.startswith(KINDS):
        raise ValueError("a Convex store is named as convex+https://<deployment>.convex.site")
    parts = urlsplit(url.removeprefix(_SCHEME_MARK))
    if not parts.hostname:
        raise ValueError("the Convex store's URL names no host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the Convex store's URL is host and path alone; its secret is SLIPWAY_STORE_SECRET")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{FUNCTIONS}"
