"""The signer: the only process that opens exchange secrets. `python -m citadel.signer`.

Reads $OBSCURA_RUN (directory of the sockets), $OBSCURA_ROOT_KEY or $OBSCURA_ROOT_KEY_FILE (32 bytes hex, required),
$OBSCURA_SIGNER_UIDS (callers besides our own uid), $OBSCURA_SIGNER_ACCOUNTS (accounts kept open, default 50,000).
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

from nacl.public import PrivateKey

from citadel import processes
from citadel.signer.forward import EgressLink
from citadel.signer.keys import Keyring
from citadel.signer.ops import Signer
from citadel.signer.server import Server
from citadel.vaults.local import LocalVault, RootKeyMissing, derive, forget_root_key, read_root_key


def main() -> int:
    log = processes.Log("signer")
    processes.harden()
    try:
        root = read_root_key()
        forget_root_key(os.environ)
        directory = processes.run_dir()
        processes.hold(directory, "signer")
    except (RootKeyMissing, processes.AlreadyRunning) as error:
        log.line("refused_to_start", code=error.code, remedy=(error.__doc__ or "").strip())
        return 1
    vault = LocalVault(root=root)
    intake = PrivateKey(derive(root, "intake/x25519/1"))
    del root
    signer = Signer(
        vault=vault,
        intake=intake,
        keys=Keyring(size=int(os.environ.get("OBSCURA_SIGNER_ACCOUNTS", "50000"))),
        egress=EgressLink(directory / "egress.sock"),
        log=log,
    )
    refusals = _Refusals(signer.refusals, log)
    path = directory / "signer.sock"
    server = Server(
        listener=processes.listen(path),
        handle=signer.handle,
        too_large=lambda: signer.refusal(None, "frame_too_large"),
        uids=processes.allowed_uids("OBSCURA_SIGNER_UIDS"),
        log=log,
        tick=refusals.tick,
    )
    log.line("start", pid=os.getpid(), versions=repr(vault))
    server.serve()
    refusals.tell()
    path.unlink(missing_ok=True)
    log.line("stop")
    return 0


class _Refusals:
    """Writes the refusals since the last line, at most every ten seconds."""

    def __init__(self, counts: Counter[str], log: processes.Log) -> None:
        self._counts, self._log = counts, log
        self._told: Counter[str] = Counter()
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10.0
            self.tell()

    def tell(self) -> None:
        new = self._counts - self._told
        if new:
            self._log.line("refusals", counts=dict(new))
            self._told = Counter(self._counts)


if __name__ == "__main__":
    sys.exit(main())
