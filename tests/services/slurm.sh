#!/usr/bin/env bash
# A real Slurm on this machine alone: munge, slurmctld, slurmd, one node that pretends to eight CPUs.
# usage: slurm.sh start|stop|conf     Needs root. /etc/slurm is not touched.
# Its files lie in $SLIPWAY_SLURM_DIR, and it listens on $SLIPWAY_SLURM_PORT and the next: two may run side by side.
# SLIPWAY_SLURM_STRICT=1 holds jobs to their memory, and cancels those of `main` for one of the partition `urgent`.
# SLIPWAY_SLURM_ACCOUNTING=1 keeps accounts too: MariaDB on a socket of its own, and slurmdbd on the port after those.
set -euo pipefail
dir=${SLIPWAY_SLURM_DIR:-/var/tmp/slipway-slurm}
port=${SLIPWAY_SLURM_PORT:-16817}
conf=$dir/slurm.conf
host=$(hostname -s)
strict=${SLIPWAY_SLURM_STRICT:-0}
accounting=${SLIPWAY_SLURM_ACCOUNTING:-0}
database=$dir/database
database_user=nobody

write_conf() {
    local task=none consumed=CR_CPU track=linuxproc
    [ "$strict" != 1 ] || task=cgroup consumed=CR_CPU_Memory
    # As real clusters do: by the list of processes it misses what a job begins in the moment in which it is cancelled.
    [ ! -w /sys/fs/cgroup/freezer ] || track=cgroup
    mkdir -p "$dir/state" "$dir/spool"
    # Fast ticks, so that a test waits for the job and not for the scheduler. Control groups are named by a job's number:
    # those of two that run side by side differ.
    cat >"$conf" <<CONF
ClusterName=slipway
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/$track
TaskPlugin=task/$task
MpiDefault=none
ReturnToService=2
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=$consumed
SlurmdParameters=config_overrides
FirstJobId=$port
KillWait=2
BatchStartTimeout=1
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=60 State=UP
PartitionName=debug Nodes=$host MaxTime=10 State=UP
CONF
    echo IgnoreSystemd=yes >"$dir/cgroup.conf"
    [ "$strict" != 1 ] || write_strict_conf
    [ "$accounting" != 1 ] || write_accounting_conf
}

write_strict_conf() {
    cat >>"$conf" <<CONF
PartitionName=urgent Nodes=$host MaxTime=60 PriorityTier=2 State=UP
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
CONF
    echo ConstrainRAMSpace=yes >>"$dir/cgroup.conf"
}

write_accounting_conf() {
    cat >>"$conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
AccountingStorageEnforce=associations,limits,qos
CONF
    # slurmdbd takes nothing that others can read.
    (umask 077 && cat >"$dir/slurmdbd.conf") <<CONF
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slipway_accounting
PidFile=$dir/slurmdbd.pid
LogFile=$dir/slurmdbd.log
CONF
}

our_munge=/run/munge/slipway

start_munge() ( # One at a time: of two that find none, the second one's fails.
    exec 9>/run/lock/slipway-munge && flock 9
    munge -n >/dev/null 2>&1 && return
    [ -e /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chown munge:munge /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
    install -d -o munge -g munge -m 0755 /run/munge /var/log/munge /var/lib/munge
    setpriv --reuid munge --regid munge --clear-groups /usr/sbin/munged 9>&-
    touch "$our_munge"
)

wait_for() { # wait_for SECONDS COMMAND...
    local deadline=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || { echo "slipway: gave up on: $*" >&2; tail -5 "$dir"/*.log >&2; return 1; }
        sleep 0.1
    done
}

start_accounting() {
    install -d -o "$database_user" -m 0700 "$database"
    # The server knows root by its socket, and slurmdbd runs as root: there is no password.
    mariadb-install-db --no-defaults --user="$database_user" --datadir="$database" --skip-test-db \
        --auth-root-authentication-method=socket >"$dir/mariadb-install.log" 2>&1
    mariadbd --no-defaults --user="$database_user" --datadir="$database" --socket="$database/socket" \
        --pid-file="$database/pid" --skip-networking --innodb-flush-log-at-trx-commit=0 \
        >"$dir/mariadb.log" 2>&1 </dev/null &
    wait_for 20 test -s "$database/pid"
    start_dbd
    sacctmgr -iQ add cluster slipway >/dev/null
    sacctmgr -iQ add qos high >/dev/null
    sacctmgr -iQ add account chem cluster=slipway qos=normal,high >/dev/null
    sacctmgr -iQ add user root account=chem cluster=slipway >/dev/null
}

start_dbd() {
    MYSQL_UNIX_PORT=$database/socket slurmdbd
    wait_for 20 sacctmgr --noheader show cluster
}

stop_accounting() { # The database goes last: slurmdbd writes to it as it ends.
    local pid
    for pid in "$dir/slurmdbd.pid" "$database/pid"; do
        [ -e "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || continue
        for _ in $(seq 100); do pgrep -F "$pid" >/dev/null 2>&1 || break; sleep 0.1; done
    done
}

idle() { sinfo -h -o %T | grep -qE 'idle|mixed|allocated'; }

case "${1:-}" in
    start)
        write_conf
        export SLURM_CONF=$conf
        start_munge
        [ "$accounting" != 1 ] || start_accounting
        slurmctld -f "$conf"
        wait_for 20 scontrol ping
        slurmd -f "$conf"
        wait_for 20 idle
        ;;
    stop)
        for daemon in slurmd slurmctld; do
            [ -e "$dir/$daemon.pid" ] && kill "$(cat "$dir/$daemon.pid")" 2>/dev/null || true
        done
        for _ in $(seq 50); do pgrep -F "$dir/slurmctld.pid" >/dev/null 2>&1 || break; sleep 0.1; done
        # The last one out ends it: others may have begun with the one that an earlier one of ours has started.
        [ ! -e "$our_munge" ] || pgrep --runstates D,R,S -x slurmctld >/dev/null || pkill -x munged || true
        stop_accounting
        rm -rf "$dir"
        ;;
    conf) echo "$conf" ;;
    *) echo "usage: slurm.sh start|stop|conf" >&2; exit 2 ;;
esac
