"""What a nilDB node answers, as far as builders, collections and standard data go.

It refuses what the real one refuses, with the same status. `tests.support.nildb.serve` puts it on the network.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.nildb.tokens import BadToken, Token, did_of, read_token

Answer = tuple[int, Any]
"""A status, and what goes back as JSON; a text goes as text."""

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Refusal(Exception):
    """A status and the errors beside it."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status, *errors)
        self.status, self.errors = status, errors


class Node:
    """One node. `public_key` is how it is known; documents go through `lie` before they are told."""

    url = ""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256K1())
        self.public_key = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.did = did_of(self.public_key)
        self.lie: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        """What is made of every document that is found; None hides it."""
        self.builders: dict[str, dict[str, Any]] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._started = now()

    def about(self) -> dict[str, Any]:
        return {
            "started": self._started,
            "build": {"time": self._started, "commit": "0" * 40, "version": "2.3.0"},
            "public_key": self.public_key.hex(),
            "url": self.url,
            "maintenance": {"active": False, "started_at": self._started},
        }

    def answer(self, method: str, path: str, token: str, body: Any) -> Answer:
        """What the real one would answer."""
        if (method, path) == ("GET", "/about"):
            return 200, self.about()
        if (method, path) == ("GET", "/health"):
            return 200, "OK"
        for wanted, pattern, command, handle in ROUTES:
            found = re.fullmatch(pattern, path)
            if wanted == method and found:
                who = self._authorised(token, command, register=handle is Node._register)
                with self._lock:
                    return handle(self, who, body, *found.groups())
        return 404, "Not Found"

    def _authorised(self, token: str, command: str, *, register: bool) -> str:
        try:
            read: Token = read_token(token, audience=self.did)
        except BadToken:
            raise Refusal(401) from None
        if not register and read.subject not in self.builders:
            raise Refusal(401)
        if not f"{read.command}/".startswith(f"{command}/"):
            raise Refusal(403)
        return read.subject

    def _register(self, who: str, body: Any) -> Answer:
        did, name = _fields(body, did=str, name=str)
        if did != who:
            raise Refusal(403)
        if did in self.builders:
            raise Refusal(400, "DuplicateEntryError")
        self.builders[did] = {"_id": did, "_created": now(), "_updated": now(), "name": name}
        return 201, ""

    def _me(self, who: str, body: Any) -> Answer:
        owned = [key for key, one in self.collections.items() if one["owner"] == who]
        return 200, {"data": {**self.builders[who], "collections": owned, "queries": []}}

    def _forget_me(self, who: str, body: Any) -> Answer:
        del self.builders[who]
        for key in [key for key, one in self.collections.items() if one["owner"] == who]:
            del self.collections[key], self.documents[key]
        return 200, ""

    def _create_collection(self, who: str, body: Any) -> Answer:
        key, kind, name, schema = _fields(body, _id=UUID, type=str, name=str, schema=dict)
        if kind not in ("standard", "owned") or key in self.collections:
            raise Refusal(400, "DataValidationError")
        try:
            jsonschema.Draft7Validator.check_schema(schema)
        except jsonschema.SchemaError:
            raise Refusal(400, "DataValidationError") from None
        self.collections[key] = {"owner": who, "type": kind, "name": name, "schema": schema, "first": now()}
        self.documents[key] = {}
        return 201, ""

    def _list_collections(self, who: str, body: Any) -> Answer:
        owned = [
            {"id": key, "type": one["type"], "name": one["name"]}
            for key, one in self.collections.items()
            if one["owner"] == who
        ]
        return 200, {"data": owned, "pagination": {"total": len(owned), "limit": 25, "offset": 0}}

    def _read_collection(self, who: str, body: Any, key: str) -> Answer:
        one = self._owned(who, key)
        stored = self.documents[key]
        index = {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True}
        times = {"first_write": one["first"], "last_write": one["first"]}
        size = sum(len(json.dumps(document)) for document in stored.values())
        data = {"_id": key, "count": len(stored), "size": size, "indexes": [index], "schema": one["schema"], **times}
        return 200, {"data": data}

    def _create_data(self, who: str, body: Any) -> Answer:
        key, data = _fields(body, collection=UUID, data=list)
        schema = self._owned(who, key)["schema"]
        checker = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
        if not data or any(checker.iter_errors(data)):
            raise Refusal(400, "DataValidationError")
        created, errors = [], []
        for document in data:
            if document["_id"] in self.documents[key]:
                errors.append({"error": "E11000 duplicate key error", "document": document})
                continue
            self.documents[key][document["_id"]] = {**document, "_created": now(), "_updated": now()}
            created.append(document["_id"])
        status = 201 if not errors else 207 if created else 400
        return status, {"data": {"created": created, "errors": errors}}

    def _find(self, who: str, body: Any) -> Answer:
        key, where = _fields(body, collection=UUID, filter=dict)
        self._owned(who, key)
        found = [copy.deepcopy(one) for one in self.documents[key].values() if _matches(one, where)]
        if self.lie is not None:
            found = [told for one in found if (told := self.lie(one)) is not None]
        return 200, {"data": found[:25], "pagination": {"total": len(found), "limit": 25, "offset": 0}}

    def _update(self, who: str, body: Any) -> Answer:
        key, where, update = _fields(body, collection=UUID, filter=dict, update=dict)
        self._owned(who, key)
        if set(update) != {"$set"}:
            raise Refusal(400, "DataValidationError")
        found = [one for one in self.documents[key].values() if _matches(one, where)]
        for one in found:
            one.update(update["$set"], _updated=now())
        counts = {"matched": len(found), "modified": len(found), "upserted": 0, "upserted_id": None}
        return 200, {"data": {"acknowledged": True, **counts}}

    def _delete(self, who: str, body: Any) -> Answer:
        key, where = _fields(body, collection=UUID, filter=dict)
        self._owned(who, key)
        if not where:
            raise Refusal(400, "Filter cannot be empty")
        gone = [one for one, document in self.documents[key].items() if _matches(document, where)]
        for one in gone:
            del self.documents[key][one]
        return 200, {"data": {"acknowledged": True, "deletedCount": len(gone)}}

    def _owned(self, who: str, key: str) -> dict[str, Any]:
        found = self.collections.get(key)
        if found is None or found["owner"] != who:
            raise Refusal(404, "CollectionNotFoundError")
        return found


ROUTES: tuple[tuple[str, str, str, Callable[..., Answer]], ...] = (
    ("POST", "/v1/builders/register", "/nil/db/builders/create", Node._register),
    ("GET", "/v1/builders/me", "/nil/db/builders/read", Node._me),
    ("DELETE", "/v1/builders/me", "/nil/db/builders/delete", Node._forget_me),
    ("POST", "/v1/collections", "/nil/db/collections/create", Node._create_collection),
    ("GET", "/v1/collections", "/nil/db/collections/read", Node._list_collections),
    ("GET", "/v1/collections/([0-9a-f-]+)", "/nil/db/collections/read", Node._read_collection),
    ("POST", "/v1/data/standard", "/nil/db/data/create", Node._create_data),
    ("POST", "/v1/data/find", "/nil/db/data/read", Node._find),
    ("POST", "/v1/data/update", "/nil/db/data/update", Node._update),
    ("POST", "/v1/data/delete", "/nil/db/data/delete", Node._delete),
)


def _fields(body: Any, **kinds: type) -> list[Any]:
    found = []
    for name, kind in kinds.items():
        value = body.get(name) if isinstance(body, dict) else None
        if not isinstance(value, str if kind is UUID else kind) or (kind is UUID and not UUID_TEXT.fullmatch(value)):
            raise Refusal(400, f"{name}: invalid")
        found.append(value)
    return found


def _matches(document: dict[str, Any], where: dict[str, Any]) -> bool:
    return all(document.get(name) == value for name, value in where.items())


def now() -> str:
    """The present moment as nodes write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
