"""Secrets of a whole running stack are where they may be and nowhere else; and what looks for them would find them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from obscura.local.chaos import gathered, leaks, memory
from obscura.local.chaos.needles import BLOCK, PART, Marked, Marks, Needles, forms_of_key
from tests.support.processes import ROOT

KEY = hashlib.sha256(b"a key of its own").digest()
ROOT_ALONE = os.geteuid() == 0


@pytest.fixture
def drawn() -> tuple[Marked, Needles]:
    """A kind of secrets, and what finds them and a key."""
    marks = Marks()
    kind, other = Marked(marks), Marked(marks)
    forms = {"secret": kind.needles(), "other": other.needles(), "key": forms_of_key(KEY)}
    first = [*marks.needles(), *(one for many in forms["key"].values() for one in many)]
    return kind, Needles(forms, first=first)


@contextmanager
def holding(what: str) -> Iterator[int]:
    """A process that was told something and keeps it."""
    code = "import sys; kept = sys.stdin.readline(); print('held', flush=True); sys.stdin.read()"
    held = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        held.stdin.write(f"{what}\n")
        held.stdin.flush()
        held.stdout.readline()
        yield held.pid
    finally:
        held.stdin.close()
        held.wait(timeout=10)
        held.stdout.close()


def test_no_secret_of_a_running_stack_is_anywhere_but_with_signer_venue_and_client() -> None:
    named = ("OBSCURA_VAR", "OBSCURA_RUN", "OBSCURA_MANDATE_KEY", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in named}
    command = [sys.executable, "-m", "obscura.local.chaos", "secrets", "--followers", "6", "--moves", "3", "--json"]
    if not ROOT_ALONE:
        command.append("--as-user")

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)

    result = json.loads(done.stdout.splitlines()[-1])
    assert result["found"] == []
    assert result["control_missing"] == []
    assert result["secrets"] == 10
    assert result["copied"] > 0
    assert {line["where"] for line in result["held_by_right"]} >= {"memory of paper"}
    assert not ROOT_ALONE or result["unread"] == []
    keys = {line["what"] for line in result["held_by_right"] if line["where"] == "memory of signer"}
    assert not ROOT_ALONE or keys >= {leaks.INTAKE, leaks.SHARED, leaks.GENERATION, leaks.MANDATE}
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("form", "left"),
    [
        ("text", lambda text: b"x" + text.encode() + b"y"),
        ("text", lambda text: text.encode()[20:]),  # the beginning was written over
        ("utf-16", lambda text: text.encode("utf-16-le")),
        ("hex", lambda text: b"\\x" + text.encode().hex().encode()),
        ("base64", lambda text: base64.b64encode(b"a" + text.encode())),
        ("base64", lambda text: base64.b64encode(b"ab" + text.encode())),
        ("base64", lambda text: base64.urlsafe_b64encode(b"abc" + text.encode())),
        ("hmac ipad", lambda text: bytes(byte ^ 0x36 for byte in text.encode())),
        ("hmac opad", lambda text: bytes(byte ^ 0x5C for byte in text.encode())),
    ],
)
def test_a_secret_is_found_in_every_form(drawn, form, left) -> None:
    kind, needles = drawn
    assert needles.count(left(kind.draw())).keys() == {("secret", form)}
    assert needles.count(left("A" * 64)) == Counter()


def test_a_key_is_found_as_bytes_and_as_text(drawn) -> None:
    _, needles = drawn
    found = needles.count(b"..".join([KEY, KEY.hex().encode(), base64.b64encode(KEY)]))
    assert found == {("key", "bytes"): 1, ("key", "hex"): 1, ("key", "base64"): 1}


@pytest.mark.parametrize("edge", [BLOCK, PART])
def test_what_lies_across_an_edge_is_found_once(drawn, tmp_path, edge) -> None:
    kind, needles = drawn
    for back in (1, 30, 63, 64, 100):
        data = bytes(edge - back) + kind.draw().encode() + bytes(BLOCK)
        path = tmp_path / str(back)
        path.write_bytes(data)
        parts = gathered.parts_of(path, overlap=needles.overlap)
        in_parts = sum((needles.count(part, within=PART) for part in parts), Counter())
        assert needles.count(data) == in_parts == {("secret", "text"): 2}


def test_it_is_found_in_the_memory_of_who_holds_it_and_of_nobody_else(drawn) -> None:
    kind, needles = drawn
    with holding(kind.draw()) as ben, holding("nothing") as cleo:
        looked = memory.look({ben: "ben", cleo: "cleo"}, needles)

    assert looked.found["ben"]["secret", "text"] >= 2
    assert looked.found["cleo"] == Counter()
    assert (looked.processes, looked.unread) == (2, [])
    assert looked.read_bytes > 1 << 20


@pytest.mark.skipif(not ROOT_ALONE, reason="only root can become somebody else")
def test_what_could_not_be_read_is_said(drawn) -> None:
    kind, needles = drawn
    read, write = os.pipe()
    with holding(kind.draw()) as ben:
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os.write(write, json.dumps(memory.look({ben: "ben"}, needles).unread).encode())
            os._exit(0)
        os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        assert json.loads(told.read()) == [f"memory of ben (pid {ben}): not ours to read; be root"]


def test_it_is_found_in_every_kind_of_key(drawn, redis_db) -> None:
    kind, needles = drawn
    word = kind.draw()
    redis_db.set("a", word)
    redis_db.rpush("b", word)
    redis_db.sadd("c", word)
    redis_db.hset("d", "field", word)
    redis_db.hset("e", word, "value")
    redis_db.zadd("f", {word: 1})
    redis_db.xadd("g", {"field": word})
    redis_db.set("h", "nothing")

    found = {name for name, held in gathered.every_key(redis_db) if needles.count(held)}

    assert found == set("abcdefg")


def test_what_is_a_leak_depends_on_where_it_is() -> None:
    sealed, typed, root = ((what, "text") for what in (leaks.SEALED, leaks.TYPED, leaks.ROOT))
    clean = {place: Counter({(leaks.CONTROL, "text"): 1}) for place in leaks.CONTROLLED}

    held = leaks.judge(
        clean | {"memory of signer": Counter({sealed: 2, root: 1}), "memory of web": Counter({typed: 3})}
    )
    assert (held.leaks, held.missing) == ([], [])
    assert [(line["what"], line["count"]) for line in held.held] == [(leaks.ROOT, 1), (leaks.SEALED, 2)]
    assert [line["count"] for line in held.typed] == [3]

    for place, what in (
        ("memory of web", sealed),
        ("memory of egress", typed),
        ("logs", typed),
        ("memory of paper", root),
    ):
        leak = leaks.judge(clean | {place: clean.get(place, Counter()) + Counter({what: 1})}).leaks
        assert [(line["where"], line["what"]) for line in leak] == [(place, what[0])]


@pytest.mark.parametrize("place", sorted(leaks.CONTROLLED))
def test_a_place_without_its_control_was_not_looked_at(place) -> None:
    clean = {one: Counter({(leaks.CONTROL, "text"): 1}) for one in leaks.CONTROLLED}
    assert leaks.judge({**clean, place: Counter()}).missing == [place]
    assert leaks.judge({one: found for one, found in clean.items() if one != place}).missing == [place]


def test_files_that_may_hold_secrets_are_left_out_with_all_below_them(tmp_path: Path) -> None:
    for name in ("log/web.log", "paper/journal", "keys/root.key", "postgres/base/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    found = gathered.files(tmp_path, but={tmp_path / "paper", tmp_path / "keys"})

    assert [str(name) for _, name in found] == ["log/web.log", "postgres/base/1"]
