"""The supervisor starts, hears, restarts and stops real processes; leftovers are found and told from strangers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from obscura.local import leftovers

STORY = """
import os, signal, sys, time
from pathlib import Path
from obscura.local.lines import Log
from obscura.local.supervisor import Spec, Supervisor

folder = Path(sys.argv[1])
log = Log(folder=folder / "log", out=sys.stdout, names=["stack", "echo", "stubborn", "driver"])
boss = Supervisor(log=log, state=folder / "stack.json")
boss.signals()

def echo():
    print("I am here", flush=True)
    time.sleep(60)

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("I stay", flush=True)
    time.sleep(60)

def driver():
    log = folder / "log" / "echo.log"
    def heard():
        return log.read_text().count("I am here") if log.exists() else 0
    while heard() < 1:
        time.sleep(0.01)
    import json
    os.kill(json.loads((folder / "stack.json").read_text())["children"]["echo"][0], signal.SIGKILL)
    while heard() < 2:
        time.sleep(0.01)
    return 7

boss.start(Spec("echo", run=echo))
boss.start(Spec("stubborn", run=stubborn, wave=2))
boss.start(Spec("driver", run=driver, once=True, wave=0))
code = boss.serve(until="driver")
boss.stop()
log.close()
sys.exit(code)
"""


def test_a_killed_process_is_started_again_and_all_stop_even_the_stubborn(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.count("echo     | I am here") == 2
    assert "stack    | echo killed by SIGKILL; starting it again in 0.1 s" in done.stdout
    assert "stack    | stubborn did not stop in time and was killed" in done.stdout
    assert not (tmp_path / "stack.json").exists()
    assert time.monotonic() - began < 25


ORPHAN = """
import os, sys, time
from pathlib import Path
from obscura.local.lines import Log
from obscura.local.supervisor import Spec, Supervisor

folder = Path(sys.argv[1])
boss = Supervisor(log=Log(folder=folder / "log", out=sys.stdout, names=["driver"]), state=folder / "stack.json")
boss.signals()
server = os.fork()  # as the embedded servers are born: a child of this process that is no spec of it
if not server:
    os._exit(0)

def driver():
    while Path(f"/proc/{server}").exists():
        time.sleep(0.01)
    return 7

boss.start(Spec("driver", run=driver, once=True))
sys.exit(boss.serve(until="driver"))
"""


def test_a_server_that_died_does_not_linger_as_a_child_of_the_supervisor(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 7, done.stderr


def test_what_a_killed_supervisor_left_is_found_and_stopped(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True, stdin=subprocess.DEVNULL
    )
    state = tmp_path / "stack.json"
    leftovers.write(state, children={"orders": child.pid})
    assert leftovers.running(state) == {"orders": child.pid}
    assert leftovers.stop(state) == ["orders"]
    assert child.wait(timeout=10) == -signal.SIGTERM
    assert leftovers.running(state) == {}


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "stack.json"
    since = leftovers.started(os.getpid())
    assert since is not None
    stranger = [os.getpid(), since - 1]
    state.write_text(json.dumps({"supervisor": stranger, "children": {"web": stranger}}))
    assert leftovers.running(state) == {}
    assert leftovers.supervisor(state) is None
    assert leftovers.stop(state) == []


def test_no_state_file_means_nothing_is_left(tmp_path: Path) -> None:
    assert leftovers.running(tmp_path / "stack.json") == {}
