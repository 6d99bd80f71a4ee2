"""Limits that are changed while the tenant's keys are rotated. A vault of its own: a retired version stays retired."""

from __future__ import annotations

from citadel import services as citadel
from citadel.models import Credential
from tests.citadel_app.limits_support import WIDE, account, ask, ben, carry, key, meanwhile, opened, told

__all__ = ["account", "ben", "key", "meanwhile"]


def rewritten():
    """The envelopes under a new version of the tenant's keys, as a rotation makes them."""
    citadel.rotate_keys(actor="test")
    citadel.rewrap_envelopes()


def test_a_rotation_in_between_is_kept_and_the_change_made_on_top_of_it(account, key, vault, meanwhile):
    meanwhile(rewritten)
    ask(account, WIDE, key)

    change = carry()

    credential = Credential.objects.get()
    assert (change.state, told(account).number, credential.key_version) == ("done", 1, 3)
    assert {name: text[:7] for name, text in credential.envelopes.items()} == dict.fromkeys(
        ("apiKey", "secret", "agreed"), "nil:v3:"
    )
    assert opened(vault, account) == []
