"""What the signer gives up once everything it needs is open: other programs, other files, the network, others' eyes.

Linux alone, and the filter for x86-64 alone; what could not be had is told in the line the signer starts with.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4

DENIED = {
    "clone": 56, "fork": 57, "vfork": 58, "clone3": 435, "execve": 59, "execveat": 322, "ptrace": 101,
    "process_vm_readv": 310, "process_vm_writev": 311, "socketpair": 53, "bind": 49, "open": 2, "openat": 257,
    "openat2": 437, "creat": 85, "open_by_handle_at": 304, "memfd_create": 319, "io_uring_setup": 425, "setuid": 105,
    "setgid": 106, "setresuid": 117, "kexec_load": 246, "pidfd_getfd": 438, "pidfd_open": 434, "bpf": 321,
    "userfaultfd": 323, "mount": 165, "unshare": 272, "setns": 308, "keyctl": 250, "add_key": 248, "kill": 62,
    "tgkill": 234, "perf_event_open": 298, "init_module": 175, "finit_module": 313,
}  # fmt: skip
"""System calls by their numbers on x86-64 that are answered with EPERM. glibc's fork() is clone, its open() openat."""

_SOCKET = 41
_X86_64, _X32 = 0xC000003E, 0x40000000
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def close() -> bool:
    """Deny what is denied from here on, for this process and for ever. Call it last. False: this machine has no filter.

    A socket of the unix family may still be made, and connected: the egress comes and goes.

    :raises OSError: the kernel refuses the filter
    """
    if platform.machine() != "x86_64":
        return False
    code = _code()
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no new privileges")
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return True


def _code() -> bytes:
    """The filter, in the classic BPF that seccomp(2) takes: eight bytes an instruction."""
    denied = sorted(DENIED.values())
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, _X86_64, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, otherwise=1),
        _step(_RETURN, _KILL),
    ]
    for number in denied:
        program += [_step(_EQUAL, number, otherwise=1), _step(_RETURN, _EPERM)]
    program += [
        _step(_EQUAL, _SOCKET, otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_EQUAL, socket.AF_UNIX, then=1),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def lock_memory() -> bool:
    """Keep this process's memory out of swap, as far as its limits allow: what it has now, and what it gets if it may.

    Under a limit, locking what comes later would turn the next large allocation into a failure.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    else:
        unlimited = True
    later = _FUTURE | _ON_FAULT if unlimited else 0
    return bool(libc.mlockall(_CURRENT | later) == 0)


def become(uid: int) -> None:
    """Give up root for good, for this user and the group of the same number.

    :raises OSError: this process may not
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
