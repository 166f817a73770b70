#!/usr/bin/env bash
# A real RabbitMQ on this machine alone, with a user and a virtual host for the tests.
# usage: rabbitmq.sh start|kill|stop|url     Needs root. `kill` leaves its data: started again, it has what it had.
# Its files lie in $SLIPWAY_RABBITMQ_DIR, and it listens on $SLIPWAY_RABBITMQ_PORT and the next two: two may run side by side.
set -euo pipefail
dir=${SLIPWAY_RABBITMQ_DIR:-/var/tmp/slipway-rabbitmq}
port=${SLIPWAY_RABBITMQ_PORT:-25672}
server=/usr/lib/rabbitmq/bin/rabbitmq-server
user=slipway password=tests-only vhost=tests

# Erlang's own services: how nodes find each other, and talk to each other.
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 1)) RABBITMQ_DIST_PORT=$((port + 2))
export HOME=$dir ERL_CRASH_DUMP=$dir/erl_crash.dump

start() {
    mkdir -p "$dir"
    cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
default_user = $user
default_pass = $password
default_vhost = $vhost
CONF
    : >"$dir/enabled_plugins"
    export RABBITMQ_NODENAME=slipway@localhost RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf RABBITMQ_BASE=$dir
    export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
    export RABBITMQ_PID_FILE=$dir/pid RABBITMQ_ALLOW_INPUT=1
    # One scheduler thread: a test asks for little, and the machine has other work. A task that is not done within five
    # seconds is taken back and given out again; RabbitMQ's own thirty minutes are too long for a test.
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -noinput
        -rabbit consumer_timeout 5000 -rabbit channel_tick_interval 1000"
    setsid "$server" >"$dir/out.log" 2>&1 </dev/null &
    echo $! >"$dir/beam.pid"
    for _ in $(seq 600); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    echo "slipway: RabbitMQ does not start" >&2
    tail -5 "$dir"/*.log >&2
    return 1
}

end() { # end SIGNAL
    [ -e "$dir/beam.pid" ] || return 0
    kill "-$1" "$(cat "$dir/beam.pid")" 2>/dev/null || true
    for _ in $(seq 200); do pgrep -F "$dir/beam.pid" >/dev/null 2>&1 || break; sleep 0.1; done
}

case "${1:-}" in
    start) start ;;
    kill) end KILL ;;
    stop)
        end TERM
        epmd -kill >/dev/null 2>&1 || true
        rm -rf "$dir"
        ;;
    url) echo "amqp://$user:$password@127.0.0.1:$port/$vhost" ;;
    *) echo "usage: rabbitmq.sh start|kill|stop|url" >&2; exit 2 ;;
esac
