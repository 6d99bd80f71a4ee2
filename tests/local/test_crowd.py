"""Accounts made in bulk are sealed as the web seals them: each opens for its own tenant and account alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from citadel import services as citadel
from obscura.local.crowd import WALLET, Desk, users
from obscura.local.venue import Control
from tenants.types import TenantRef
from tests.citadel.support import Vault
from tests.contracts.support import Venue


def test_a_crowd_has_keys_in_the_vault_and_wallets_at_the_venue(alpha):
    with tempfile.TemporaryDirectory(prefix="obscura-") as folder:
        venue = Venue(Path(folder) / "paper", "--rate-limits", "off")
        vault = Vault(Path(folder), venue.ports["http"])
        try:
            vault.start_signer()
            signer = vault.client()
            control = Control(("127.0.0.1", venue.ports["control"]))
            desk = Desk(signer=signer, intake=signer.intake_key()[0], control=control, tag="t")

            ref = TenantRef(alpha.pk, alpha.schema_name, alpha.name, alpha.kind)
            made = desk.accounts(ref, users("t", ["f1", "f2", "f3"]), label="crowd", wallet=WALLET)

            entries = citadel.envelopes_of([account.id for account in made])
            assert signer.open([(tenant, account.bytes, sealed) for tenant, account, sealed in entries]) == (3, [])
            assert [signer.public(account.id.bytes) for account in made] == [account.api_key for account in made]
            assert control.labels() == {account.api_key: "crowd/t" for account in made}
            [(tenant, _, sealed)] = citadel.envelopes_of([made[0].id])
            assert signer.open([(tenant, UUID(int=5).bytes, sealed)])[0] == 0
            signer.close()
            control.close()
        finally:
            vault.close()
            venue.stop()
