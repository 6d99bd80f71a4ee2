"""What the signer has given up: tried from within a process that did as it does, and seen on a signer from outside."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from citadel.signer import sandbox
from tests.citadel.support import BEN, ROOT, TENANT, Exchange, Vault, sealed_mandate

TRIES = """
import ctypes, errno, os, socket, sys, time
from citadel.signer import sandbox

libc = ctypes.CDLL(None, use_errno=True)
assert sandbox.close() is True

def tell(name, call):
    try:
        code = call()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    else:
        print(name, "allowed" if code is None or code >= 0 else errno.errorcode[ctypes.get_errno()])

tell("execve", lambda: os.execv("/bin/true", ["true"]))
tell("fork", lambda: os.fork() or os._exit(0))
tell("open", lambda: os.open("/etc/hostname", os.O_RDONLY))
tell("inet", lambda: socket.socket(socket.AF_INET).fileno())
tell("inet6", lambda: socket.socket(socket.AF_INET6).fileno())
tell("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno())
tell("memfd", lambda: os.memfd_create("x"))
tell("ptrace", lambda: libc.ptrace(0, 0, 0, 0))
tell("vm_readv", lambda: libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0))
tell("kill", lambda: os.kill(os.getppid(), 0))
tell("unix", lambda: socket.socket(socket.AF_UNIX).fileno())
tell("clock", lambda: time.sleep(0))
"""

x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter is for x86-64 alone")


@x86
def test_after_the_door_is_closed_nothing_else_can_be_opened() -> None:
    out = subprocess.run(
        [sys.executable, "-c", TRIES], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout

    found = dict(line.split() for line in out.splitlines())
    assert found == {
        **dict.fromkeys(
            ("execve", "fork", "open", "inet", "inet6", "netlink", "memfd", "ptrace", "vm_readv", "kill"), "EPERM"
        ),
        "unix": "allowed",
        "clock": "allowed",
    }


def test_a_signer_works_behind_it_and_shows_nothing_of_itself(vault: Vault) -> None:
    """Everything it does later was loaded before: a credential, a mandate, garbage, an egress that comes back."""
    envelopes = vault.enrol([BEN])
    client = vault.client()
    status = Path(f"/proc/{vault.signer.pid}/status").read_text()

    assert "Seccomp:\t2" in status or platform.machine() != "x86_64"
    assert "NoNewPrivs:\t1" in status or platform.machine() != "x86_64"
    assert '"sandbox":true' in vault.log("signer") or platform.machine() != "x86_64"
    assert client.open([(TENANT, BEN.account, envelopes[BEN.account], [sealed_mandate(BEN)])]) == (1, [])
    limits = Path(f"/proc/{vault.signer.pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits
    client.close()


def test_another_user_can_neither_read_nor_trace_it_nor_call_it(vault: Vault) -> None:
    """Without root there is no other user to be; then the same is tried from our own, who may not read it either."""
    vault.enrol([BEN])
    code = textwrap.dedent(f"""
        import ctypes, errno, os, socket
        if os.getuid() == 0:
            os.setgroups([]); os.setresgid(64321, 64321, 64321); os.setresuid(64321, 64321, 64321)
        libc = ctypes.CDLL(None, use_errno=True)
        for name, call in (
            ("mem", lambda: open("/proc/{vault.signer.pid}/mem", "rb").close()),
            ("environ", lambda: open("/proc/{vault.signer.pid}/environ", "rb").read()),
            ("maps", lambda: open("/proc/{vault.signer.pid}/maps", "rb").read()),
        ):
            try:
                call()
            except OSError as error:
                print(name, errno.errorcode[error.errno])
            else:
                print(name, "allowed")
        print("ptrace", libc.ptrace(16, {vault.signer.pid}, 0, 0))
        if os.getuid() == 64321:
            try:
                socket.socket(socket.AF_UNIX).connect("{vault.directory}/signer.sock")
            except OSError as error:
                print("socket", errno.errorcode[error.errno])
    """)

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout

    found = dict(line.split() for line in out.splitlines())
    expected = {"mem": "EACCES", "environ": "EACCES", "maps": "EACCES", "ptrace": "-1"}
    assert found == expected | ({"socket": "EACCES"} if os.getuid() == 0 else {})


def test_memory_is_locked_where_it_may_be() -> None:
    code = "from citadel.signer import sandbox; print(sandbox.lock_memory(), open('/proc/self/status').read())"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    locked = int(next(line.split()[1] for line in out.splitlines() if line.startswith("VmLck")))
    assert (locked > 1_000) is out.startswith("True")
    assert out.startswith("True") or ctypes.CDLL(None, use_errno=True).geteuid() != 0


def test_the_filter_names_no_call_twice() -> None:
    assert len(set(sandbox.DENIED.values())) == len(sandbox.DENIED)
    assert errno.EPERM == sandbox._EPERM & 0xFFFF


def test_started_by_root_it_becomes_a_user_of_its_own(exchange: Exchange, tmp_path: Path) -> None:
    """Root starts it; the egress lets it in by its group. Where there is no root, it says so and does not start."""
    directory = Path(tempfile.mkdtemp(prefix="obscura-"))
    vault = Vault(directory, exchange.port)
    try:
        if os.getuid() != 0:
            with pytest.raises(AssertionError, match="did not start"):
                vault.start_signer(OBSCURA_SIGNER_UID="64322")
            return
        vault.start_egress(OBSCURA_EGRESS_SIGNER_UIDS="64322", OBSCURA_EGRESS_GROUP="64322")
        vault.start_signer(
            OBSCURA_SIGNER_UID="64322", OBSCURA_SIGNER_UIDS=str(os.getuid()),
            OBSCURA_SIGNER_EGRESS_UIDS=str(os.getuid()),
        )  # fmt: skip
        vault.enrol([BEN])

        status = Path(f"/proc/{vault.signer.pid}/status").read_text()
        assert "Uid:\t64322\t64322\t64322\t64322" in status
        assert "CapEff:\t0000000000000000" in status
        client = vault.client()
        assert client.stats()["marks"] > 0  # the egress let it in
        client.close()
    finally:
        vault.close()
        shutil.rmtree(directory, ignore_errors=True)
