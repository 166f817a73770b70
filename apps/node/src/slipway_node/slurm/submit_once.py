"""Shell that submits a job script once, however often it is run, and says which job is the one that counts. Pure.

AiiDA runs `sbatch` and stores the job id in two steps; a kill between them makes it submit again. So the step is
locked in the job's work directory, announced before and recorded after: an answer that is recorded is given again, and
one that may have been lost is looked up by the work directory, which contains the process's UUID. `sbatch` inherits the
lock, so one whose caller was killed still holds it. Needs a file system that honours `flock`.

A look-up can still miss an `sbatch` that is under way somewhere. So each job claims the directory before it does
anything, and one that comes second does nothing: the job that holds the claim is the one that counts.

An answer of Slurm's that is not understood is none: the step ends with TRY_AGAIN_STATUS, and nothing changes. So does
one that does not come (patience.py): an `sbatch` that is ended may have submitted, which is looked up as above.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from slipway_node.slurm import own_end
from slipway_node.slurm.commands import ENDS
from slipway_node.slurm.patience import ANSWER_SECONDS, END_SECONDS, TRY_AGAIN_STATUS, in_time

LOCK_SECONDS = ANSWER_SECONDS + END_SECONDS + 5  # an `sbatch` whose caller was killed has ended by then
NO_FOLDER_STATUS = 66  # sysexits' EX_NOINPUT
CLAIM_FAILED_STATUS = 74  # sysexits' EX_IOERR
ENDED = "ended"
SUBMISSIONS_MAX = 3  # a controller that forgets each job at once is not fed for ever
ORPHAN_SECONDS = 8  # for slurmd to end what its controller has forgotten, which takes it 4 after that one is back

_LEVELS = 3  # of folders that AiiDA makes under a computer's work directory, of a process's UUID
_PATIENTLY = f"-w {LOCK_SECONDS}"
_NOBODY = "nobody"  # holds the claim of what was withdrawn
CLAIM = ".slipway-claim"
INTENT = ".slipway-intent"
_JOB_ID, _CLAIM, _INTENT, _LOCK = ".slipway-job-id", CLAIM, INTENT, ".slipway-lock"
_MISSED, _MISSED_NOW = ".slipway-missed", ".slipway-missed-now"

# Slurm's words for a job that has ended. Of a job that the controller has lost, accounting says "pending" for ever, or,
# where the controller came back with no state at all, that it was cancelled and never started; one that somebody
# cancels before it runs has a start.
_ENDED_STATES = tuple(sorted(ENDS))
_ENDED = f"^({'|'.join(_ENDED_STATES)})"
_APART_SECONDS = 60  # that accounting's clock may be before or behind this machine's


def _locked(wait: str) -> str:
    """Return what locks the current directory until the shell ends, waiting as `flock` is told."""
    return f"exec 9>>{_LOCK} && flock {wait} 9 || exit {TRY_AGAIN_STATUS}\n"


def _entered(folder: str, status_if_gone: int) -> str:
    """Return what enters the folder; one that cannot be entered now, as on a file system that is away, is not gone.

    Where the folder that all of them are in is not there either, that is not mounted.
    """
    quoted, root = shlex.quote(folder), shlex.quote(str([*Path(folder).parents][:_LEVELS][-1]))
    return f"""cd {quoted} 2>/dev/null || {{
  [ -d {root} ] && LC_ALL=C stat {quoted} 2>&1 | grep -q 'No such file' && exit {status_if_gone}
  cd {quoted} || exit {TRY_AGAIN_STATUS}
}}
"""


_PARTS = f"""
understood() {{ # Tells whether rows begin with a job's number and its state.
  ! printf '%s' "$1" | grep -qvE '^[0-9][^|]*\\|[A-Z_]+' && return
  printf 'no list of jobs: %.200s\\n' "$1" >&2
  return 1
}}
by_controller() {{
  rows=$(squeue --noheader --states=all --user="$(id -un)" --format='%i|%T|%Z') && understood "$rows" || return
  printf '%s\\n' "$rows"
}}
state_of() {{ # What the controller says of one job by its number; nothing where it knows none by it from here.
  told=$(scontrol show job "$1" --oneliner 2>&1)
  case $told in *'Invalid job id'*) return 0 ;; esac
  word=$(printf '%s\\n' "$told" | sed -n 's/.* JobState=\\([A-Z_]*\\) .*/\\1/p')
  [ -n "$word" ] || {{ printf 'no job: %.200s\\n' "$told" >&2; return 1; }}
  case $told in *" WorkDir=$(pwd -P) "*) printf '%s\\n' "$word" ;; esac
}}
setting() {{
  config=$(scontrol show config) || return
  value=$(printf '%s\\n' "$config" | sed -n "s/^$1 *= *\\([^ ]*\\).*/\\1/p")
  [ -n "$value" ] || {{ printf 'no configuration: %.200s\\n' "$config" >&2; return 1; }}
  printf '%s\\n' "$value"
}}
at() {{ date -d "@$1" +%Y-%m-%dT%H:%M:%S; }}
by_accounting() {{
  kept=$(setting AccountingStorageType) || return
  [ "$kept" = accounting_storage/slurmdbd ] || return 0
  since=$(at $(($(head -n 1 {_INTENT}) - {_APART_SECONDS}))) until=$(at $(($(date +%s) + {_APART_SECONDS})))
  # Without states it leaves out what was never eligible, without duplicates what had a number that was given again.
  rows=$(sacct --noheader --allocations --parsable2 --duplicates --user="$(id -un)" --starttime="$since" \\
    --endtime="$until" --state={",".join(_ENDED_STATES)} --format=JobID,State,WorkDir,Start) || return
  understood "$rows" || return
  printf '%s\\n' "$rows" | awk -F'|' '$2 ~ /{_ENDED}/ && $4 ~ /^[0-9]/'
}}
here() {{ here=$(pwd -P) awk -F'|' '$3 == ENVIRON["here"] {{ print $1 "|" $2 }}'; }}
known_to() {{
  jobs=$("$1") || exit {TRY_AGAIN_STATUS}
  found=$(printf '%s\\n' "$jobs" | here)
}}
is_recent() {{ # Tells whether the controller cannot have forgotten yet what was submitted first, for its age.
  kept_seconds=$(setting MinJobAge) || exit {TRY_AGAIN_STATUS}
  [ $(($(date +%s) - $(head -n 1 {_INTENT}))) -lt "$kept_seconds" ]
}}
submit() {{
  date +%s >> {_INTENT} || exit {TRY_AGAIN_STATUS}
  told=$(sbatch --parsable "$script") || exit $?
  id=$(printf '%s\\n' "$told" | tail -n 1)
  id=${{id%%;*}}
  case $id in '' | *[!0-9]*) printf 'no number of a job: %.200s\\n' "$told" >&2; exit {TRY_AGAIN_STATUS} ;; esac
}}
has_ended() {{ # Tells whether a job has that began, and that the controller does not know: it says so, or had time to.
  [ ! -e {own_end.MARK} ] || return 0
  [ -e {_MISSED} ] || touch {_MISSED} || exit {TRY_AGAIN_STATUS}
  # Both by the clock of the file system, which may be set back.
  times=$(touch {_MISSED_NOW} && stat -c %Y {_MISSED} {_MISSED_NOW}) || exit {TRY_AGAIN_STATUS}
  set -- $times
  [ "$2" -ge "$1" ] || rm -f {_MISSED}
  [ $(($2 - $1)) -ge {ORPHAN_SECONDS} ]
}}
record() {{
  printf '%s\\n%s\\n' "$id" "$(date +%s)" > {_JOB_ID}.partial || exit {TRY_AGAIN_STATUS}
  mv {_JOB_ID}.partial {_JOB_ID} || exit {TRY_AGAIN_STATUS}
}}
"""


def submit_command(script: str) -> str:
    """Return what submits ``script`` (a name already quoted for the shell) in the current directory.

    It prints ``Submitted batch job N`` as `sbatch` does, and where that fails ends with its status and words.
    """
    return in_time(f"""{_locked(_PATIENTLY)}{_PARTS}script={script}
id=$(cat {_JOB_ID} {_CLAIM} 2>/dev/null | head -n 1)
if [ -z "$id" ]; then
  if [ -s {_INTENT} ]; then # an empty one is what a full disk has left: it was not written, and nothing submitted
    known_to by_controller
    # Accounting, which takes four times as long, then knows no more but of what a killed controller has lost: such a
    # job has claimed the directory, or done nothing.
    [ -n "$found" ] || is_recent || known_to by_accounting
    id=$(printf '%s\\n' "$found" | head -n 1)
    id=${{id%%|*}}
  fi
  [ -n "$id" ] || id=$(cat {_CLAIM} 2>/dev/null) # a job may have begun since
  [ -n "$id" ] || submit
  record
fi
echo "Submitted batch job $id"
""")


def follow_command(job_id: str, script: str, folder: str) -> str:
    """Return what tells of the job that counts for ``folder``, where ``job_id`` is in the queue no more.

    It prints ENDED where that is ``job_id``, and else the id to follow: of the one that holds the claim, or that waits;
    ``job_id`` itself where the controller, asked for it by its number, says that it goes on, and for some seconds where
    it has forgotten one that began: that may run still, until slurmd hears of it.
    A job that Slurm has accepted and forgotten before it started, as by a controller that was killed before it saved
    its state, is submitted again: should it come to life after all, the claim keeps one of the two from doing anything.
    The new one may be given the same id. What Slurm would have forgotten by now in any case is taken for ended. Ends
    with NO_FOLDER_STATUS where there is no folder, and with another status where it cannot be told now.
    """
    return in_time(f"""{_entered(folder, NO_FOLDER_STATUS)}{_locked(_PATIENTLY)}{_PARTS}script={script} id={job_id}
claim=$(cat {_CLAIM} 2>/dev/null)
if [ -z "$claim" ]; then
  known_to by_controller
  [ -n "$found" ] || known_to by_accounting
  if [ -n "$found" ]; then
    active=$(printf '%s\\n' "$found" | awk -F'|' '$2 !~ /{_ENDED}/ {{ print $1; exit }}')
    echo "${{active:-{ENDED}}}"
    exit
  fi
elif [ "$claim" != "$id" ]; then
  echo "$claim"
  exit
fi
state=$(state_of "$id") || exit {TRY_AGAIN_STATUS}
if [ -n "$state" ]; then
  rm -f {_MISSED}
  printf '%s\\n' "$state" | grep -qE '{_ENDED}' && echo {ENDED} || echo "$id"
  exit
fi
[ -z "$claim" ] || {{ has_ended && echo {ENDED} || echo "$id"; exit; }}
kept_seconds=$(setting MinJobAge) || exit {TRY_AGAIN_STATUS}
submitted=$(sed -n 2p {_JOB_ID})
if [ $(($(date +%s) - submitted)) -lt "$kept_seconds" ] && [ "$(wc -l < {_INTENT})" -lt {SUBMISSIONS_MAX} ]; then
  [ ! -s {_CLAIM} ] || {{ cat {_CLAIM}; exit; }} # it may have begun since: Slurm would be told to start it twice
  submit
  record
  echo "$id"
else
  echo {ENDED}
fi
""")


def claims_command(folders: Sequence[str]) -> str:
    """Return what prints a line for each of ``folders``: the id of the job that holds its claim, empty where none does.

    A job that was just started has no claim yet, and neither has one without our script.
    """
    return "\n".join(f'echo "$(cat {shlex.quote(folder)}/{_CLAIM} 2>/dev/null)"' for folder in folders)


def withdraw_command(folder: str) -> str:
    """Return what sees to it that no job of ``folder`` waits or runs, now or later; may be repeated.

    AiiDA cancels the job whose id it has, and none while it still submits. So the directory is claimed, in the name of
    nobody, unless a job has done so; and every job of it is cancelled, also where a full disk takes no claim. One that
    the controller has forgotten is not, since its number may be another's by now: slurmd ends it. Ends with
    TRY_AGAIN_STATUS where it cannot be told that none is left, or comes later.
    """
    return in_time(f"""{_entered(folder, 0)}{_locked("-n")}{_PARTS}
active() {{
  jobs=$(by_controller) || return
  printf '%s\\n' "$jobs" | here | awk -F'|' '$2 !~ /{_ENDED}/ && $2 != "COMPLETING" {{ print $1 }}'
  for id in $(head -qn 1 {CLAIM} {_JOB_ID} 2>/dev/null | grep -xE '[0-9]+' | sort -u); do
    state=$(state_of "$id") || return
    printf '%s\\n' "$state" | grep -qE '{_ENDED}|^COMPLETING|^$' || echo "$id"
  done
}}
is_orphaned() {{ # Tells whether the job that holds the claim may run on, though the controller does not know it.
  id=$(grep -xE '[0-9]+' {CLAIM}) || return
  state=$(state_of "$id") || exit {TRY_AGAIN_STATUS}
  [ -z "$state" ] || {{ rm -f {_MISSED}; return 1; }}
  ! has_ended
}}
echo {_NOBODY} > {CLAIM}.{_NOBODY} && ln {CLAIM}.{_NOBODY} {CLAIM} 2>/dev/null
rm -f {CLAIM}.{_NOBODY}
left=$(active) || exit {TRY_AGAIN_STATUS}
if [ -n "$left" ]; then
  scancel $left
  left=$(active) || exit {TRY_AGAIN_STATUS}
fi
[ -z "$left" ] && [ -s {CLAIM} ] && ! is_orphaned || exit {TRY_AGAIN_STATUS}
""")


def cancel_command(job_id: str, folders: Sequence[str]) -> str:
    """Return what cancels the job, unless its number is by now that of one that works in none of ``folders``.

    A controller that was killed may have forgotten the one, and given its number to the other, of whatever tenant: then
    nothing is cancelled, and the command ends well, for slurmd ends the one. Ends with TRY_AGAIN_STATUS where Slurm
    does not say which job it is.
    """
    scancel = f"scancel {shlex.quote(job_id)}"
    return in_time(f"""told=$(scontrol show job {shlex.quote(job_id)} --oneliner 2>&1)
case $told in
  *'Invalid job id'*) {scancel}; exit ;;
  *' WorkDir='*) ;;
  *) printf 'no job: %.200s\\n' "$told" >&2; exit {TRY_AGAIN_STATUS} ;;
esac
for folder in {shlex.join(folders)}; do
  here=$(realpath -m -- "$folder")
  case $told in *" WorkDir=$here "*) {scancel}; exit ;; esac
done
""")


def claim() -> str:
    """Return what a job script begins with: the first job to run it claims it, another one exits.

    A requeued job keeps its id and so its claim. But where Slurm counts no restart and starts the job that has the
    claim again, its controller was killed and has forgotten that the job began: that exits too. The claim is on the
    disk before it is put in its place, by a link that only one can make: there is never an empty one, which would keep
    every job out. A job that cannot write it ends with CLAIM_FAILED_STATUS.
    """
    return f"""slipway_begins=
if ! [ -e {CLAIM} ]; then
  own={CLAIM}.$SLURM_JOB_ID
  {{ echo "$SLURM_JOB_ID" | dd of="$own" conv=fsync status=none && ln "$own" {CLAIM} && slipway_begins=1
    rm -f "$own"; }} 2>/dev/null
fi
case "$(cat {CLAIM} 2>/dev/null)" in
  "$SLURM_JOB_ID") [ -n "$slipway_begins" ] || [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ] || exit 0 ;;
  "") exit {CLAIM_FAILED_STATUS} ;;
  *) exit 0 ;;
esac"""
