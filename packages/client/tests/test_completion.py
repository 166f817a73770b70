import shutil
import subprocess

import pytest


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_completes_commands(cli, tmp_path):
    script = tmp_path / "slipway.bash"
    script.write_text(cli("completion", "bash").out)
    asked = f'source {script}; COMP_WORDS=(slipway sub); COMP_CWORD=1; COMP_LINE="slipway sub"; COMP_POINT=11; '
    asked += 'complete -p slipway | sed -E "s/.* -F ([^ ]+) .*/\\1/" > f; $(cat f) slipway sub slipway; '
    asked += 'echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "submit" in done.stdout.split()


def test_a_shell_that_is_none_is_a_usage_error(cli):
    assert cli("completion", "powerpoint").status == 2
