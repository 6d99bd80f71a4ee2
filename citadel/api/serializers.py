"""What the partner API reads and writes about exchanges and exchange accounts. Credentials are read, never written."""

from __future__ import annotations

from rest_framework import serializers

from obscura.core.http.strict import Strict


class AccountRequest(Strict):
    """An exchange account; `credentials` are what GET /api/exchanges/supported says the exchange asks for."""

    exchange = serializers.CharField(max_length=32)
    environment = serializers.ChoiceField(choices=["live", "paper"])
    label = serializers.CharField(required=False, allow_blank=True, max_length=60, default="")  # type: ignore[assignment]
    credentials = serializers.DictField(
        write_only=True, child=serializers.CharField(max_length=4096), help_text="Field name to text."
    )


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
    created_at = serializers.DateTimeField()


class AccountsShape(serializers.Serializer):
    """A user's accounts."""

    results = AccountShape(many=True)


class CredentialFieldShape(serializers.Serializer):
    """One field of an exchange's credentials."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=["text", "password", "textarea"])
    help = serializers.CharField()


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
