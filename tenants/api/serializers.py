"""What the sign-in API reads and writes."""

from __future__ import annotations

from rest_framework import serializers


class Entrance(serializers.Serializer):
    """E-mail and password; `code` where a second factor is set up."""

    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False, max_length=256)
    code = serializers.CharField(required=False, max_length=32)


class Registration(serializers.Serializer):
    """A new person."""

    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False, max_length=256)
    name = serializers.CharField(required=False, max_length=80, default="", allow_blank=True)


class Refresh(serializers.Serializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4096)


class PairShape(serializers.Serializer):
    """The access token lives for `expires_in` seconds; each refresh token works once."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()


class RegisteredShape(serializers.Serializer):
    """The same answer whether the e-mail was known or not; what comes next is in the mail."""

    email = serializers.EmailField()
    status = serializers.ChoiceField(choices=["verification_sent"])


class MeShape(serializers.Serializer):
    """Who is signed in."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    tenant = serializers.CharField(help_text="Name of the tenant.")
