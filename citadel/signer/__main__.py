"""The signer: the only process that opens exchange secrets. `python -m citadel.signer`.

Reads from the environment:

OBSCURA_RUN                 directory of the sockets
OBSCURA_ROOT_KEY            32 bytes in hex; or _FILE, or $CREDENTIALS_DIRECTORY/obscura-root-key
OBSCURA_MANDATE_KEY         likewise, or _FILE; shared with the processes that agree terms
OBSCURA_KEYS                the key provider (citadel.vaults.configured), default local
OBSCURA_ATTESTATION         off, or required; _REVOCATION and others go with it (citadel.attestation.required)
OBSCURA_SIGNER_STATE        directory of the journal, default vault/ beside the sockets
OBSCURA_ACCOUNT_CAPS        caps of accounts that have none of their own: dollars in an order, a minute and a day, and
                            the highest leverage, default "50000,250000,1000000,20"
OBSCURA_KEYS_HORIZON_DAYS   half of it must pass before a generation of the provider's key is destroyed, default 30
OBSCURA_SIGNER_UIDS         callers besides our own user
OBSCURA_SIGNER_EGRESS_UIDS  users the egress may be of, besides our own
OBSCURA_SIGNER_UID          a user of its own that it becomes, started as root; the sockets' group has the same number
OBSCURA_SIGNER_ACCOUNTS     accounts kept open, default 50,000; as many again of exchanges that no policy reads
OBSCURA_SIGNER_AUDIT        entries of the audit that can still be fetched, default 10,000
OBSCURA_SIGNER_STARKNET     1: sign for exchanges on Starknet as well, which loads all of ccxt
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter

from nacl.public import PrivateKey

from citadel import processes
from citadel.attestation import required
from citadel.domain import calls
from citadel.domain.agreement import USUAL_CAPS, CapsInvalid, read_caps
from citadel.domain.horizon import USUAL, Horizon, HorizonInvalid
from citadel.processes import KeyMissing, read_key
from citadel.signer import sandbox
from citadel.signer.forward import EgressLink
from citadel.signer.journal import Journal
from citadel.signer.keeper import OFF, Beside, Here
from citadel.signer.keys import Keyring
from citadel.signer.ledger import Ledger
from citadel.signer.marks import Marks
from citadel.signer.ops import Signer
from citadel.signer.server import Server
from citadel.signer.tenant_keys import Keeper, TenantKeys
from citadel.signer.trail import KEPT
from citadel.vaults import configured
from citadel.vaults.local import LocalVault, RootKeyMissing, derive, forget_root_key, read_root_key
from citadel.vaults.provider import ProviderError


def main() -> int:
    log = processes.Log("signer")
    locked = sandbox.lock_memory()
    processes.harden()
    try:
        root = read_root_key()
        mandate_key = read_key("OBSCURA_MANDATE_KEY")
        forget_root_key(os.environ)
        os.environ.pop("OBSCURA_MANDATE_KEY", None)
        directory = processes.run_dir()
        processes.hold(directory, "signer")
        caps = read_caps(os.environ.get("OBSCURA_ACCOUNT_CAPS", USUAL_CAPS))
        horizon = Horizon.read(os.environ.get("OBSCURA_KEYS_HORIZON_DAYS", USUAL))
        keeper = _keeper(root)
    except (
        RootKeyMissing, KeyMissing, CapsInvalid, ProviderError, required.AttestationUnknown, processes.AlreadyRunning,
        HorizonInvalid,
    ) as error:  # fmt: skip
        log.line("refused_to_start", code=error.code, remedy=(error.__doc__ or "").strip())
        return 1
    own = processes.number("OBSCURA_SIGNER_UID")
    journal = Journal(configured.state_folder())
    path = directory / "signer.sock"
    listener = processes.listen(path, group=own)
    calls.recorded()  # a user of its own may not be allowed to read our files
    if own is not None:
        sandbox.become(own)
        processes.harden()  # a change of user undoes it
    intake = PrivateKey(derive(root, "intake/x25519/1"))
    shared = LocalVault(root=root)
    del root
    kept = int(os.environ.get("OBSCURA_SIGNER_AUDIT", str(KEPT)))
    ledger = Ledger(journal=journal, marks=Marks(), caps=caps, now_ms=int(time.time() * 1000), kept=kept)
    vault = TenantKeys(shared=shared, keeper=keeper, minimum=ledger.minimum)
    journal.sync_beside()
    egress = EgressLink(
        directory / "egress.sock",
        hear=lambda body: signer.heard(body),
        uids=processes.allowed_uids("OBSCURA_SIGNER_EGRESS_UIDS"),
    )
    signer = Signer(
        vault=vault,
        intake=intake,
        mandate_key=mandate_key,
        keys=Keyring(size=int(os.environ.get("OBSCURA_SIGNER_ACCOUNTS", "50000"))),
        ledger=ledger,
        egress=egress,
        kept=configured.kind(),
        attestation=lambda: keeper.statement if isinstance(keeper, Beside) else OFF,
        log=log,
        starknet=os.environ.get("OBSCURA_SIGNER_STARKNET") == "1",
        horizon=horizon,
    )
    refusals = _Refusals(signer.refusals, log)

    def tick() -> None:
        if isinstance(keeper, Beside):
            signer.attested(keeper.statement)
        signer.settle()
        egress.keep()
        refusals.tick()

    server = Server(
        listener=listener,
        handle=signer.handle,
        too_large=lambda: signer.refusal(None, "frame_too_large"),
        uids=processes.allowed_uids("OBSCURA_SIGNER_UIDS"),
        log=log,
        tick=tick,
        every=1.0,
    )
    if isinstance(keeper, Beside):
        keeper.attend(server.watch)
    egress.attend(server.watch, server.unwatch)
    egress.keep()
    signer.rehearse()
    signer.begin(keys=configured.kind())
    log.line("start", pid=os.getpid(), keys=configured.kind(), locked=locked, sandbox=sandbox.close())
    server.serve()
    refusals.tell()
    signer.end()
    with contextlib.suppress(PermissionError):  # of a directory that is another user's, it may not be taken away
        path.unlink(missing_ok=True)
    log.line("stop")
    return 0


def _keeper(root: bytes) -> Keeper:
    """The way to the key provider: one that asks others gets a process of its own.

    :raises ProviderError, AttestationUnknown: it is not configured
    """
    required_now = required.mode() == "required"
    if configured.kind() == "local" and not required_now:
        return Here(configured.provider(root))
    configured.provider(root).close()  # what is wrong with the configuration is found here, and said
    if not required_now:
        return Beside(lambda: configured.provider(root))
    attests = required.attests(configured.state_folder())
    return Beside(lambda: required.AttestedProvider(configured.provider(root), attests=attests))


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
