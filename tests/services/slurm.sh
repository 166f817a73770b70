#!/usr/bin/env bash
# A real Slurm on this machine alone: munge, slurmctld, slurmd, one node that pretends to eight CPUs.
# usage: slurm.sh start|stop|conf     Needs root. /etc/slurm is not touched.
# Its files lie in $SLIPWAY_SLURM_DIR, and it listens on $SLIPWAY_SLURM_PORT and the next: two may run side by side.
set -euo pipefail
dir=${SLIPWAY_SLURM_DIR:-/var/tmp/slipway-slurm}
port=${SLIPWAY_SLURM_PORT:-16817}
conf=$dir/slurm.conf
host=$(hostname -s)

write_conf() {
    mkdir -p "$dir/state" "$dir/spool"
    # Fast ticks, so that a test waits for the job and not for the scheduler.
    cat >"$conf" <<CONF
ClusterName=slipway
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
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
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=2
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=60 State=UP
PartitionName=debug Nodes=$host MaxTime=10 State=UP
CONF
}

start_munge() {
    munge -n >/dev/null 2>&1 && return
    [ -e /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chown munge:munge /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
    install -d -o munge -g munge -m 0755 /run/munge /var/log/munge /var/lib/munge
    setpriv --reuid munge --regid munge --clear-groups /usr/sbin/munged
    touch "$dir/our-munge"
}

wait_for() { # wait_for SECONDS COMMAND...
    local deadline=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || { echo "slipway: gave up on: $*" >&2; tail -5 "$dir"/*.log >&2; return 1; }
        sleep 0.1
    done
}

idle() { sinfo -h -o %T | grep -qE 'idle|mixed|allocated'; }

case "${1:-}" in
    start)
        write_conf
        export SLURM_CONF=$conf
        start_munge
        slurmctld -f "$conf"
        wait_for 20 scontrol ping
        slurmd -f "$conf"
        wait_for 20 idle
        ;;
    stop)
        for daemon in slurmd slurmctld; do
            [ -e "$dir/$daemon.pid" ] && kill "$(cat "$dir/$daemon.pid")" 2>/dev/null || true
        done
        [ -e "$dir/our-munge" ] && pkill -x munged || true
        for _ in $(seq 50); do pgrep -F "$dir/slurmctld.pid" >/dev/null 2>&1 || break; sleep 0.1; done
        rm -rf "$dir"
        ;;
    conf) echo "$conf" ;;
    *) echo "usage: slurm.sh start|stop|conf" >&2; exit 2 ;;
esac
