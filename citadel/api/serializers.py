"""What the partner API reads and writes about exchanges and exchange accounts. Credentials are read, never written."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from obscura.core.http.strict import Amount, Strict


class LimitsRequest(Strict):
    """Limits of an account; what is left out stays as it is, or as usual for a new one."""

    order_usd = Amount(required=False, help_text="The most in one order, in US dollars.")
    minute_usd = Amount(required=False, help_text="The most in a minute.")
    day_usd = Amount(required=False, help_text="The most on a day (UTC).")
    leverage = serializers.IntegerField(required=False, min_value=1, max_value=125, help_text="The highest.")


class AccountRequest(Strict):
    """An exchange account; `credentials` are what GET /api/exchanges/supported says the exchange asks for.

    Who seals them himself, so that only the vault can read them, sends `sealed` and `account_id` in their place.
    """

    exchange = serializers.CharField(max_length=32)
    environment = serializers.ChoiceField(choices=["live", "paper"])
    label = serializers.CharField(required=False, allow_blank=True, max_length=60, default="")  # type: ignore[assignment]
    limits = LimitsRequest(required=False)
    credentials = serializers.DictField(
        write_only=True,
        required=False,
        child=serializers.CharField(max_length=4096),
        help_text="Field name to text. Not together with `sealed`.",
    )
    sealed = serializers.CharField(
        write_only=True,
        required=False,
        help_text="The sealed box in base64, as GET /api/exchanges/intake describes it.",
    )
    account_id = serializers.CharField(
        write_only=True,
        required=False,
        max_length=200,
        help_text="As POST /api/v2/users/{user_id}/accounts/reserve gave it. With `sealed` only.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two ways, whole."""
        sealed = [name for name in ("sealed", "account_id") if name in attrs]
        if "credentials" in attrs and sealed:
            raise serializers.ValidationError(dict.fromkeys(sealed, "Not together with `credentials`."))
        if "credentials" not in attrs and len(sealed) < 2:
            missing = [name for name in ("sealed", "account_id") if sealed and name not in attrs] or ["credentials"]
            raise serializers.ValidationError(dict.fromkeys(missing, "This field is required."))
        return attrs


class ReservationShape(serializers.Serializer):
    """An id for one account to be. `tenant` and `account` stand in the sealed box, `account_id` is sent beside it."""

    account_id = serializers.CharField(help_text="The account's id, signed.")
    account = serializers.CharField(help_text="32 hexadecimal digits: what will be the account's id.")
    tenant = serializers.IntegerField()
    agreed = serializers.CharField(
        help_text="The account's limits and who may widen them: seal it as it is, as the field agreed, beside the keys."
    )
    expires_at = serializers.DateTimeField()


class IntakeShape(serializers.Serializer):
    """What credentials are sealed to, and how."""

    kid = serializers.CharField(help_text="The id of the key.")
    key = serializers.CharField(help_text="The vault's X25519 public key: 32 bytes in base64.")
    version = serializers.IntegerField(help_text="`v` of what is in the box.")
    max_bytes = serializers.IntegerField(help_text="Bytes of the largest box.")
    format = serializers.CharField(help_text="How a box is made, in words.")


class AccountChangeRequest(Strict):
    """What shall change of an account. Limits get narrower here; wider, only by the owner, on the page."""

    limits = LimitsRequest()


class LimitsChangeShape(serializers.Serializer):
    """The change of an account's limits that was last asked for."""

    state = serializers.ChoiceField(choices=["asked", "done", "refused"])
    reason = serializers.CharField(help_text="Why it was refused and what to do.")
    asked_at = serializers.DateTimeField()


class LimitsShape(serializers.Serializer):
    """The most that may be opened on an account, and the highest leverage. The vault holds them, whoever asks."""

    order_usd = Amount()
    minute_usd = Amount()
    day_usd = Amount()
    leverage = serializers.IntegerField()
    number = serializers.IntegerField(help_text="Goes up by one with every change.")
    passkeys = serializers.IntegerField(help_text="How many passkeys may widen them; without one nobody can.")
    change = LimitsChangeShape(allow_null=True)


class AccountShape(serializers.Serializer):
    """An exchange account. It is ``pending`` until the vault has taken the keys and the exchange was asked."""

    id = serializers.UUIDField()
    exchange = serializers.CharField()
    environment = serializers.ChoiceField(choices=["live", "paper"])
    label = serializers.CharField()  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=["pending", "active", "refused", "revoked"])
    reason = serializers.CharField(help_text="Why it is not active and what to do.")
    permissions = serializers.DictField(
        help_text="What the key may do: true, false, or null where it is not told. `confirm` is true where the owner "
        "has to confirm it, POST .../confirm; `confirmed_at` is when that was done."
    )
    address = serializers.CharField(
        help_text="Our address that its requests come from, for the exchange's list; empty where none is named."
    )
    limits = LimitsShape()
    created_at = serializers.DateTimeField()


class AccountsShape(serializers.Serializer):
    """A user's accounts."""

    results = AccountShape(many=True)


class FieldRuleShape(serializers.Serializer):
    """What the whole text of a field has to match, without the blanks around it."""

    pattern = serializers.CharField(help_text="A regular expression of ECMAScript.")
    words = serializers.CharField(help_text="What is wrong where it does not; {length} is the number of characters.")


class CredentialFieldShape(serializers.Serializer):
    """One field of an exchange's credentials."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=["text", "password", "textarea"])
    help = serializers.CharField()
    rules = FieldRuleShape(many=True)


class ExchangeShape(serializers.Serializer):
    """An exchange. Copies are placed where `copying` is true."""

    id = serializers.CharField()
    name = serializers.CharField()
    tier = serializers.ChoiceField(choices=["certified", "beta"])
    copying = serializers.BooleanField()
    spot = serializers.BooleanField()
    futures = serializers.BooleanField()
    margin = serializers.BooleanField()
    websocket = serializers.BooleanField()
    credential_fields = CredentialFieldShape(many=True)


class ExchangesShape(serializers.Serializer):
    """Every exchange, by id."""

    exchanges = ExchangeShape(many=True)
