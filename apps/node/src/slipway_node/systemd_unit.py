"""The systemd unit that keeps an agent running. Pure."""

from pathlib import Path

PATH_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:,~")
"""What needs no escaping in a unit file, where a per cent sign, a dollar and a quote mean something else."""


def systemd_unit(program: Path, home: Path, path: str, final: tuple[int, ...]) -> str:
    """Return a user unit that runs ``program`` on ``home``, found programs on ``path``, and starts it again.

    Not after the exit statuses ``final``, which a further start would end with too. Raises ValueError where a path has
    characters that a unit cannot have as they are.
    """
    for part in (str(program), str(home), path):
        if odd := sorted(set(part) - PATH_CHARACTERS):
            raise ValueError(f"{part!r} has {' '.join(map(repr, odd))}, which a unit file does not take as it is")
    statuses = " ".join(map(str, final))
    return f"""\
[Unit]
Description=Slipway node agent ({home})
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=PATH={path}
ExecStart={program} run --home {home}
Restart=always
RestartSec=5
RestartPreventExitStatus={statuses}
# The agent stops AiiDA's daemon by itself; jobs that it runs on this machine go on.
KillMode=process
TimeoutStopSec=120

[Install]
WantedBy=default.target
"""
