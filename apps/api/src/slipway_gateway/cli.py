"""`slipway-gateway`: serve, dev-token, dev-jwks, migrate, check, export, import.

Exit codes: 0 well, 1 refused, 2 usage, 3 unreachable.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import App, Parameter

from slipway_gateway.settings import Settings
from slipway_gateway.version import VERSION

REFUSED, USAGE, UNREACHABLE = 1, 2, 3

app = App(
    name="slipway-gateway",
    help="Slipway's gateway: validates, authorises, translates; owns nothing durable.",
    version=VERSION,
    version_flags=["--version"],
)

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print one line of JSON")]
DataDir = Annotated[Path | None, Parameter(help="Folder of the embedded store; default .slipway/gateway")]


def fail(code: int, message: str) -> NoReturn:
    """Say what is wrong in one line and exit."""
    print(f"slipway-gateway: {message}", file=sys.stderr)  # noqa: T201 - the command line's word to its user
    sys.exit(code)


@app.command
def serve(*, host: str | None = None, port: int | None = None, data_dir: DataDir = None) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when ready.

    Every setting is also read from the environment as SLIPWAY_… (docs/how-to/gateway.md).

    Parameters
    ----------
    host
        Address to listen on; default 127.0.0.1.
    port
        TCP port; default 8700, 0 picks a free one.
    """
    from slipway_gateway.app import access
    from slipway_gateway.auth.dev_issuer import is_loopback
    from slipway_gateway.ports import StoreUnavailableError
    from slipway_gateway.server import run
    from slipway_gateway.stores import check_named

    settings = _settings(host=host, port=port, data_dir=data_dir)
    if settings.auth_issuer is None and not is_loopback(settings.host):
        fail(
            USAGE,
            f"the development issuer is for loopback only, and --host is {settings.host}: "
            "set SLIPWAY_AUTH_ISSUER and SLIPWAY_AUTH_JWKS_FILE",
        )
    try:
        check_named(settings.store, access(settings))
        code = run(settings)
    except OSError as error:
        fail(UNREACHABLE, f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}")
    except StoreUnavailableError as error:
        fail(UNREACHABLE, f"the product store is out of reach: {error}")
    except ValueError as error:
        fail(REFUSED, str(error))
    sys.exit(code)


@app.command
def dev_token(
    *,
    tenant: str,
    workspace: Annotated[list[str], Parameter(negative="")],
    user: str,
    role: str = "member",
    ttl_seconds: int = 43_200,
    data_dir: DataDir = None,
) -> None:
    """Print a development token and nothing else.

    Parameters
    ----------
    tenant
        The tenant the token acts in.
    workspace
        A workspace it may act in; repeatable.
    user
        Its subject.
    role
        member, service (acts for users) or admin (administers nodes).
    ttl_seconds
        Seconds it is good for.
    """
    from slipway_gateway.auth.dev_issuer import issue, signing_key
    from slipway_gateway.auth.users import Claims

    settings = _settings(data_dir=data_dir)
    try:
        Claims.model_validate(
            {"sub": user, "exp": 0, "tenant_id": tenant, "workspace_ids": tuple(workspace), "role": role}
        )
    except ValueError as error:
        fail(USAGE, f"dev-token: {_first_line(error)}")
    if ttl_seconds < 1:
        fail(USAGE, "dev-token: --ttl-seconds is at least 1")
    token = issue(
        signing_key(settings.data_dir),
        tenant_id=tenant,
        workspace_ids=workspace,
        user_id=user,
        role=role,
        audience=settings.auth_audience,
        ttl_seconds=ttl_seconds,
    )
    print(token)  # noqa: T201 - the command's whole output


@app.command
def dev_jwks(*, data_dir: DataDir = None) -> None:
    """Print the JWK set that development tokens are checked by, and nothing else."""
    import json

    from slipway_gateway.auth.dev_issuer import jwks, signing_key

    print(json.dumps(jwks(signing_key(_settings(data_dir=data_dir).data_dir))))  # noqa: T201 - the whole output


@app.command
def migrate(*, data_dir: DataDir = None) -> None:
    """Bring the product store's schema to this version's; safe to repeat."""
    from slipway_gateway.app import access
    from slipway_gateway.ports import StoreUnavailableError
    from slipway_gateway.stores import migrate as migrate_store

    settings = _settings(data_dir=data_dir)
    try:
        revision = migrate_store(settings.store, access(settings))
    except (ValueError, OSError) as error:
        fail(USAGE, str(error))
    except StoreUnavailableError as error:
        fail(UNREACHABLE, str(error))
    print(f"{settings.store} is at {revision}")  # noqa: T201 - the command's output


@app.command
def check(*, data_dir: DataDir = None) -> None:
    """Check settings, keys and store; changes nothing. Exit 0 when `serve` would come up."""
    from slipway_gateway.app import access, user_tokens
    from slipway_gateway.ports import StoreUnavailableError, UnfinishedImportError
    from slipway_gateway.stores import schema_is_current

    settings = _settings(data_dir=data_dir)
    try:
        current = schema_is_current(settings.store, access(settings))
        if settings.auth_issuer is not None:
            user_tokens(settings)
    except (ValueError, OSError, UnfinishedImportError) as error:
        fail(REFUSED, str(error))
    except StoreUnavailableError as error:
        fail(UNREACHABLE, str(error))
    if not current:
        fail(REFUSED, f"{settings.store} is not there or of another version: run `slipway-gateway migrate`")
    issuer = settings.auth_issuer or "the development issuer"
    print(f"store {settings.store}: current; user tokens: {issuer}")  # noqa: T201 - the command's output


@app.command
def export(file: Path, *, force: bool = False, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Write the whole product store into FILE, to be moved (docs/how-to/moving-the-store.md).

    Refused while a gateway has the store open: what it wrote after the export would be lost at the switch.

    Parameters
    ----------
    file
        The file to write; it holds all that the store does, and only its owner may read it.
    force
        Replace FILE where it exists.
    """
    from slipway_gateway.moving import as_json as json_of
    from slipway_gateway.moving import table, told_on_stderr
    from slipway_gateway.stores.moving import export_store
    from slipway_gateway.stores.times import micros

    settings = _settings(data_dir=data_dir)
    with _moving():
        moved = export_store(
            settings.store,
            file,
            exported_at=micros(datetime.now(UTC)),
            replace=force,
            progress=told_on_stderr("exported"),
        )
    print("slipway-gateway: what the store takes from now on is not in the file", file=sys.stderr)  # noqa: T201
    print(json_of(moved.tally, file=str(file)) if as_json else table(moved.tally))  # noqa: T201 - the command's output


@app.command(name="import")
def import_(file: Path, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Fill an empty product store from FILE, and count what is then there; killed, it is run again.

    Parameters
    ----------
    file
        What `export` wrote.
    """
    from slipway_gateway.app import access
    from slipway_gateway.moving import as_json as json_of
    from slipway_gateway.moving import table, told_on_stderr
    from slipway_gateway.stores.moving import import_store

    settings = _settings(data_dir=data_dir)
    with _moving():
        moved = import_store(settings.store, access(settings), file, progress=told_on_stderr("imported"))
    if not moved.is_new:
        print("slipway-gateway: the store held this import already", file=sys.stderr)  # noqa: T201
    print(json_of(moved.tally, new=moved.is_new) if as_json else table(moved.tally))  # noqa: T201 - the command's output


@contextmanager
def _moving() -> Iterator[None]:
    """Turn what does not do into one line and an exit code."""
    from slipway_gateway.ports import StoreUnavailableError
    from slipway_gateway.stores.archive.format import ArchiveError

    try:
        yield
    except (ArchiveError, ValueError) as error:
        fail(REFUSED, _in_one_line(error))
    except StoreUnavailableError as error:
        fail(UNREACHABLE, _in_one_line(error))
    except KeyboardInterrupt:
        fail(REFUSED, "interrupted: nothing is lost, run it again")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _settings(**flags: object) -> Settings:
    """Return the settings of flags over environment; exits with 2 and the field where they do not hold."""
    from pydantic import ValidationError

    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        fail(USAGE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _first_line(error: ValueError) -> str:
    return " ".join(str(error).split("\n")[1:3]).strip() or str(error)


def main() -> None:
    """Run the command line; a usage error exits with 2."""
    os.umask(0o077)  # keys and the store are this account's alone
    try:
        app(exit_on_error=False)
    except SystemExit:
        raise
    except Exception as error:
        from cyclopts import CycloptsError

        if isinstance(error, CycloptsError):
            sys.exit(USAGE)
        raise
