"""Serializers that guess nothing: unknown fields are refused by name, amounts keep every digit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers
from rest_framework.request import Request

from obscura.core.errors import Invalid

_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)


class UnknownFields(Invalid):
    """The body has fields that do not exist here."""

    code = "unknown_fields"
    remedy = "Leave the named fields out, or correct their names, and send it again."


class NotAnObject(Invalid):
    """The body is not a JSON object."""

    code = "invalid_json"
    remedy = 'Send one JSON object, e.g. {"name": "..."}.'


class Strict(serializers.Serializer):  # type: ignore[type-arg]
    """A serializer of a request's body, or of an object within it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise NotAnObject
        unknown = sorted(str(name) for name in data.keys() - self.fields.keys())
        if unknown:
            raise UnknownFields(details={"fields": {name[:64]: "There is no such field." for name in unknown[:20]}})
        return super().to_internal_value(data)

    @classmethod
    def read(cls, request: Request, *, partial: bool = False) -> dict[str, Any]:
        """The checked body of a request.

        :raises UnknownFields, NotAnObject: the body is none of this shape
        :raises rest_framework.exceptions.ValidationError: a field is missing or malformed
        """
        said = cls(data=request.data, partial=partial)
        said.is_valid(raise_exception=True)
        return dict(said.validated_data)


class Amount(serializers.Field):  # type: ignore[type-arg]
    """A decimal, as a string or as a number, up to 18 places behind the point; never rounded, never guessed."""

    default_error_messages = {
        "invalid": "Write a plain decimal as a string or number, with 20 digits and 18 decimals at most."
    }

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, (str, int, Decimal)):
            self.fail("invalid")
        # A Decimal is a number as the parser read it, digit by digit.
        text = data if isinstance(data, str) else format(data, "f") if isinstance(data, Decimal) else str(data)
        if not _AMOUNT.fullmatch(text):
            self.fail("invalid")
        return Decimal(text)

    def to_representation(self, value: Decimal) -> Decimal:
        return value


class _AmountSchema(OpenApiSerializerFieldExtension):  # type: ignore[misc,no-untyped-call]
    target_class = Amount

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        text = {"type": "string", "pattern": r"^-?[0-9]{1,20}(\.[0-9]{1,18})?$"}
        return text if direction == "response" else {"oneOf": [text, {"type": "number"}]}
