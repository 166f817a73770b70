"""The node's own AiiDA profile and computer, under the node's home: SQLite, and ZeroMQ or the admin's RabbitMQ."""

import contextlib
import os
import sqlite3
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from slipway_node.aiida import brokers
from slipway_node.amqp_address import AmqpAddress
from slipway_node.ports import EngineSetUpOtherwiseError

PROFILE = "slipway"
COMPUTER = "slipway"
USER_EMAIL = "slipway@localhost"

JOB_POLL_SECONDS = 0.5  # a worker spends 1.6 s of CPU on a 10 s job at 0.5, 10.8 s at 0
RUNNER_POLL_SECONDS = 1
RETRY_SECONDS = 5  # the first pause after a failed transport or scheduler task; AiiDA doubles it each time


class SchedulerKind(StrEnum):
    """What runs the jobs."""

    DIRECT = "direct"  # processes of this machine
    SLURM = "slurm"


_PLUGINS = {SchedulerKind.DIRECT: "core.direct", SchedulerKind.SLURM: "slipway.slurm"}


def set_up(home: Path, scheduler: SchedulerKind, broker: AmqpAddress | None = None) -> None:
    """Create the profile and its computer under ``home``; what is there already stays, but for RabbitMQ's address.

    ``broker`` None leaves a new profile with AiiDA's own one. Blocks for some 4 seconds the first time. Raises
    EngineSetUpOtherwiseError where the computer exists with another scheduler, because jobs that run could not be
    asked after any more, or the profile with another kind of broker, which would not know their tasks;
    EngineUnavailableError where RabbitMQ does not let this node in.
    """
    _point_aiida_at(home)
    _create_profile(broker)
    load(home)
    _create_computer(home, scheduler)


def exists(home: Path) -> bool:
    """Tell whether ``set_up`` was run for ``home``."""
    return (home / "aiida" / ".aiida" / "config.json").is_file()


def load(home: Path) -> None:
    """Load the profile of ``home`` into this process, which can hold one; its session belongs to the calling thread."""
    _point_aiida_at(home)
    from aiida.manage.configuration import load_profile
    from aiida.manage.manager import get_manager

    get_manager().unload_profile()  # what another thread loaded keeps objects of that thread's session
    load_profile(PROFILE, allow_switch=True)
    _write_ahead()


def scheduler_kind() -> SchedulerKind:
    """Return the scheduler of the loaded profile's computer."""
    return SchedulerKind(_scheduler_word(computer().scheduler_type))


def computer() -> Any:
    """Return the loaded profile's computer (``aiida.orm.Computer``)."""
    from aiida.orm import load_computer

    return load_computer(COMPUTER)


def storage_folder() -> Path:
    """Return where the loaded profile keeps its record: what two homes that have one profile share."""
    from aiida.manage.configuration import get_config

    return Path(get_config().get_profile(PROFILE).storage_config["filepath"])


def end_transaction() -> None:
    """End the session's transaction: SQLite shows a reader the state of its transaction's start, daemon or no."""
    from aiida.manage.manager import get_manager

    get_manager().get_profile_storage().get_session().commit()


def give_up_transaction() -> None:
    """Take back what the session, where there is one, was about to write, so that it can be used again."""
    from aiida.manage.manager import get_manager

    if get_manager().profile_storage_loaded:
        get_manager().get_profile_storage().get_session().rollback()


def is_of_the_database(error: BaseException) -> bool:
    """Tell whether the database could not be asked: locked by a worker's writing, or on a disk that is full or gone."""
    from sqlalchemy.exc import OperationalError, PendingRollbackError, StatementError

    of_the_driver = isinstance(error, StatementError) and isinstance(error.orig, sqlite3.OperationalError)
    return of_the_driver or isinstance(error, OperationalError | PendingRollbackError)


def _write_ahead() -> None:
    """Have the profile's database written ahead (WAL): looks and the workers' writes then never wait for each other.

    AiiDA leaves it in the mode in which they do. The file remembers the mode; where it is in use in another one, that
    stays until the next start.
    """
    from aiida.manage.manager import get_manager
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    session = get_manager().get_profile_storage().get_session()
    with contextlib.suppress(OperationalError):
        session.execute(text("PRAGMA journal_mode=WAL"))
    session.commit()


def _point_aiida_at(home: Path) -> None:
    """Set AIIDA_PATH and PATH before AiiDA's first import, since it reads both then."""
    path = home.resolve() / "aiida"
    (path / ".aiida").mkdir(parents=True, exist_ok=True)
    os.environ["AIIDA_PATH"] = str(path)
    programs = str(Path(sys.executable).parent)  # where `verdi` lies, which the daemon is started with
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    from aiida.manage.configuration.settings import AiiDAConfigDir

    folder = path / ".aiida"
    if AiiDAConfigDir.get() != folder:  # imported before for another home
        from aiida.manage.configuration import reset_config
        from aiida.manage.manager import get_manager

        get_manager().unload_profile()
        AiiDAConfigDir.set(folder)
        reset_config()


def _create_profile(broker: AmqpAddress | None) -> None:
    from aiida.manage.configuration import create_profile, get_config

    config = get_config(create=True)
    backend, settings = brokers.configuration(broker)
    if PROFILE in config.profile_names:
        if broker is not None:
            _change_address(config, backend, settings)
    else:
        create_profile(
            config,
            name=PROFILE,
            email=USER_EMAIL,
            storage_backend="core.sqlite_dos",
            storage_config={},
            broker_backend=backend,
            broker_config=settings,
        )
    options = {
        "runner.poll.interval": RUNNER_POLL_SECONDS,
        "transport.task_retry_initial_interval": RETRY_SECONDS,
        "logging.aiida_loglevel": "WARNING",
        "logging.verdi_loglevel": "REPORT",  # else it has the one above, and `verdi` prints nothing
        "logging.aiopika_loglevel": "CRITICAL",  # a page of complaints for each connection that is lost
        "caching.default_enabled": False,  # a job that was asked for is run, not copied from an earlier one
        "warnings.rabbitmq_version": False,
        "warnings.showdeprecations": False,
        "warnings.development_version": False,
    }
    for name, value in options.items():
        config.set_option(name, value, scope=PROFILE)
    config.set_default_profile(PROFILE, overwrite=True)
    config.store()


def _change_address(config: Any, backend: str, settings: dict[str, Any]) -> None:
    profile = config.get_profile(PROFILE)
    if profile.process_control_backend != backend:
        raise EngineSetUpOtherwiseError(f"the AiiDA profile {PROFILE} has the broker {profile.process_control_backend}")
    profile.set_process_controller(backend, settings)
    config.update_profile(profile)


def _create_computer(home: Path, scheduler: SchedulerKind) -> None:
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer

    try:
        present = computer()
    except NotExistent:
        pass
    else:
        if scheduler_kind() is not scheduler:
            raise EngineSetUpOtherwiseError(
                f"the AiiDA computer {COMPUTER} runs on {present.scheduler_type}, not on {scheduler}"
            )
        if not present.is_configured:
            present.configure(safe_interval=0.0, use_login_shell=False)
        return
    work = home.resolve() / "work"
    work.mkdir(parents=True, exist_ok=True)
    made = Computer(
        label=COMPUTER,
        hostname="localhost",
        description="This node, as Slipway runs jobs on it",
        transport_type="core.local",
        scheduler_type=_PLUGINS[scheduler],
        workdir=str(work),
    ).store()
    made.set_minimum_job_poll_interval(JOB_POLL_SECONDS)
    made.set_default_mpiprocs_per_machine(1)
    made.set_mpirun_command(_mpirun_command())
    made.configure(safe_interval=0.0, use_login_shell=False)


def _mpirun_command() -> list[str]:
    as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *as_root, "-np", "{tot_num_mpiprocs}"]


def _scheduler_word(scheduler_type: str) -> str:
    return scheduler_type.rpartition(".")[2]
