"""Shell that submits a job script once, however often it is run. Pure: text in, text out.

AiiDA runs `sbatch` and stores the job id in two steps; a kill between them makes it submit again. So the step is
locked in the job's work directory, announced before and recorded after: an answer that is recorded is given again, and
one that may have been lost is looked up by the work directory, which contains the process's UUID. `sbatch` inherits the
lock, so one whose caller was killed still holds it. Needs a file system that honours `flock`.
"""

LOCK_SECONDS = 120
TRY_AGAIN_STATUS = 75  # sysexits' EX_TEMPFAIL: AiiDA submits nothing and tries again later

_JOB_ID, _CLAIM, _INTENT, _LOCK = ".slipway-job-id", ".slipway-claim", ".slipway-intent", ".slipway-lock"


def submit_command(script: str) -> str:
    """Return what submits ``script`` (a name already quoted for the shell) in the current directory.

    It prints ``Submitted batch job N`` as `sbatch` does, and where that fails ends with its status and words.
    """
    return f"""exec 9>>{_LOCK} || exit {TRY_AGAIN_STATUS}
flock -w {LOCK_SECONDS} 9 || exit {TRY_AGAIN_STATUS}
id=$(cat {_JOB_ID} {_CLAIM} 2>/dev/null | head -n 1)
if [ -z "$id" ] && [ -e {_INTENT} ]; then
  jobs=$(squeue --noheader --states=all --user="$(id -un)" --format='%i|%Z') || exit {TRY_AGAIN_STATUS}
  id=$(printf '%s\\n' "$jobs" | awk -F'|' -v here="$(pwd -P)" '$2 == here {{ print $1; exit }}')
fi
if [ -z "$id" ]; then
  : > {_INTENT} || exit {TRY_AGAIN_STATUS}
  id=$(sbatch --parsable {script}) || exit $?
  id=${{id%%;*}}
fi
printf '%s\\n' "$id" > {_JOB_ID}.partial && mv {_JOB_ID}.partial {_JOB_ID} || exit {TRY_AGAIN_STATUS}
echo "Submitted batch job $id"
"""


def claim() -> str:
    """Return what a job script begins with: the first job to run it claims it, another one exits.

    This is for an `sbatch` that timed out, was looked for in vain and is committed after all. A requeued job keeps its
    id and so its claim.
    """
    return f"""if ! (set -C; echo "$SLURM_JOB_ID" > {_CLAIM}) 2>/dev/null; then
  [ "$(cat {_CLAIM})" = "$SLURM_JOB_ID" ] || exit 0
fi"""
