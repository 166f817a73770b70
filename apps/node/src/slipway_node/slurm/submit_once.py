"""Shell that submits a job script once, however often it is run, and says which job is the one that counts. Pure.

AiiDA runs `sbatch` and stores the job id in two steps; a kill between them makes it submit again. So the step is
locked in the job's work directory, announced before and recorded after: an answer that is recorded is given again, and
one that may have been lost is looked up by the work directory, which contains the process's UUID. `sbatch` inherits the
lock, so one whose caller was killed still holds it. Needs a file system that honours `flock`.

A look-up can still miss an `sbatch` that is under way somewhere. So each job claims the directory before it does
anything, and one that comes second does nothing: the job that holds the claim is the one that counts.
"""

import shlex

LOCK_SECONDS = 120
NO_FOLDER_STATUS = 66  # sysexits' EX_NOINPUT
TRY_AGAIN_STATUS = 75  # sysexits' EX_TEMPFAIL: AiiDA submits nothing and tries again later
ENDED = "ended"
SUBMISSIONS_MAX = 3  # a controller that forgets each job at once is not fed for ever

_JOB_ID, _CLAIM, _INTENT, _LOCK = ".slipway-job-id", ".slipway-claim", ".slipway-intent", ".slipway-lock"

# Slurm's words for a job that has ended. Of a job that the controller has lost, accounting says "pending" for ever, or,
# where the controller came back with no state at all, that it was cancelled and never started; one that somebody
# cancels before it runs has a start.
_ENDED_STATES = (
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"),
    *("PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"),
)
_ENDED = f"^({'|'.join(_ENDED_STATES)})"
_APART_SECONDS = 60  # that accounting's clock may be before or behind this machine's

_PARTS = f"""
exec 9>>{_LOCK} && flock -w {LOCK_SECONDS} 9 || exit {TRY_AGAIN_STATUS}
by_controller() {{ squeue --noheader --states=all --user="$(id -un)" --format='%i|%T|%Z'; }}
at() {{ date -d "@$1" +%Y-%m-%dT%H:%M:%S; }}
by_accounting() {{
  config=$(scontrol show config) || return
  printf '%s\\n' "$config" | grep -q '^AccountingStorageType *= *accounting_storage/slurmdbd' || return 0
  since=$(at $(($(head -n 1 {_INTENT}) - {_APART_SECONDS}))) until=$(at $(($(date +%s) + {_APART_SECONDS})))
  # Without states it leaves out what was never eligible, without duplicates what had a number that was given again.
  rows=$(sacct --noheader --allocations --parsable2 --duplicates --user="$(id -un)" --starttime="$since" \\
    --endtime="$until" --state={",".join(_ENDED_STATES)} --format=JobID,State,WorkDir,Start) || return
  printf '%s\\n' "$rows" | awk -F'|' '$2 ~ /{_ENDED}/ && $4 ~ /^[0-9]/'
}}
here() {{ awk -F'|' -v here="$(pwd -P)" '$3 == here {{ print $1 "|" $2 }}'; }}
known() {{
  jobs=$(by_controller) || exit {TRY_AGAIN_STATUS}
  found=$(printf '%s\\n' "$jobs" | here)
  if [ -z "$found" ]; then
    jobs=$(by_accounting) || exit {TRY_AGAIN_STATUS}
    found=$(printf '%s\\n' "$jobs" | here)
  fi
}}
submit() {{
  date +%s >> {_INTENT} || exit {TRY_AGAIN_STATUS}
  id=$(sbatch --parsable "$script") || exit $?
  id=${{id%%;*}}
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
    return f"""{_PARTS}script={script}
id=$(cat {_JOB_ID} {_CLAIM} 2>/dev/null | head -n 1)
if [ -z "$id" ]; then
  if [ -e {_INTENT} ]; then
    known
    id=$(printf '%s\\n' "$found" | head -n 1)
    id=${{id%%|*}}
  fi
  [ -n "$id" ] || submit
  record
fi
echo "Submitted batch job $id"
"""


def follow_command(job_id: str, script: str, folder: str) -> str:
    """Return what tells of the job that counts for ``folder``, where ``job_id`` is in the queue no more.

    It prints ENDED where that is ``job_id``, and else the id to follow: of the one that holds the claim, or that waits.
    A job that Slurm has accepted and forgotten before it started, as by a controller that was killed before it saved
    its state, is submitted again: should it come to life after all, the claim keeps one of the two from doing anything.
    The new one may be given the same id. What Slurm would have forgotten by now in any case is taken for ended. Ends
    with NO_FOLDER_STATUS where there is no folder, and with another status where it cannot be told now.
    """
    return f"""cd {shlex.quote(folder)} || exit {NO_FOLDER_STATUS}
{_PARTS}script={script} id={job_id}
claim=$(cat {_CLAIM} 2>/dev/null)
if [ -n "$claim" ]; then
  [ "$claim" = "$id" ] && echo {ENDED} || echo "$claim"
  exit
fi
known
if [ -n "$found" ]; then
  active=$(printf '%s\\n' "$found" | awk -F'|' '$2 !~ /{_ENDED}/ {{ print $1; exit }}')
  echo "${{active:-{ENDED}}}"
  exit
fi
config=$(scontrol show config) || exit {TRY_AGAIN_STATUS}
kept_seconds=$(printf '%s\\n' "$config" | sed -n 's/^MinJobAge *= *\\([0-9]*\\).*/\\1/p')
submitted=$(sed -n 2p {_JOB_ID})
if [ $(($(date +%s) - submitted)) -lt "${{kept_seconds:-0}}" ] && [ "$(wc -l < {_INTENT})" -lt {SUBMISSIONS_MAX} ]; then
  submit
  record
  echo "$id"
else
  echo {ENDED}
fi
"""


def claim() -> str:
    """Return what a job script begins with: the first job to run it claims it, another one exits.

    A requeued job keeps its id and so its claim.
    """
    return f"""if ! (set -C; echo "$SLURM_JOB_ID" > {_CLAIM}) 2>/dev/null; then
  [ "$(cat {_CLAIM})" = "$SLURM_JOB_ID" ] || exit 0
fi"""
