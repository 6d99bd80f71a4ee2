"""Secrets that a client typed are looked for in everything a running stack has, shows and keeps; and found nowhere.

The client is this process: it draws them, gives them to the paper venue, seals them, and types some into the page and
the API. Only the signer and the paper venue may have them besides. A control of the same looks is put into each place
and has to be found in each. Run it as root: nobody else may read the memory of the vault's processes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from obscura.local import boot, embedded, stack
from obscura.local.chaos import gathered, leaks, memory
from obscura.local.chaos.needles import PART, Found, Marked, Marks, Needles, forms_of_key
from obscura.local.parts import Plan
from obscura.local.places import Places

if TYPE_CHECKING:
    from obscura.local.crowd import Crowd
    from obscura.local.venue import Control

MOVES = 6
PAUSE_S = 0.4
SETTLE_LIMIT_S, START_LIMIT_S, LOOK_S = 60.0, 60.0, 0.05
CONTROL_TABLE, CONTROL_KEY = "chaos_control", "chaos:control"
LONGEST_LABEL = 60
_HOLDS = "import sys; kept = sys.stdin.readline(); print('held', flush=True); sys.stdin.read()"


def parser(add: Any) -> None:
    """The options of `chaos secrets`."""
    one: argparse.ArgumentParser = add.add_parser("secrets", help=__doc__)
    one.add_argument("--followers", type=int, default=30)
    one.add_argument("--moves", type=int, default=MOVES, help="how often the lead trades before it closes all")
    one.add_argument("--as-user", action="store_true", help="pass although some memory cannot be read")
    one.add_argument("--json", action="store_true", help="the result alone, as one JSON object")


def run(asked: argparse.Namespace) -> int:
    """Run in a state folder of its own, whose servers stop at the end."""
    var = boot.prepare(var=boot.BASE / "var" / "chaos-secrets")
    embedded.stop(var)
    for old in ("paper", "valkey", "log", "mail"):
        shutil.rmtree(var / old, ignore_errors=True)
    plan = Plan(market="synthetic", rate_limits="off")

    def driver(plan: Plan, where: Places) -> int:
        return Client(where, asked).run(plan)

    return stack.run(
        plan=plan, driver=driver, name="secrets", quiet=asked.json, only_driver=True, stop_servers=True
    )  # fmt: skip


class Client:
    """The driver beside the stack: who has the secrets, and who looks for them."""

    def __init__(self, where: Places, asked: argparse.Namespace) -> None:
        self.where, self.asked = where, asked
        marks = Marks()
        self.sealed, self.typed, self.control = Marked(marks), Marked(marks), Marked(marks)
        keys = {name: forms_of_key(key) for name, key in self._keys().items()}
        drawn = {leaks.SEALED: self.sealed, leaks.TYPED: self.typed, leaks.CONTROL: self.control}
        self.needles = Needles(
            {name: kind.needles() for name, kind in drawn.items()} | keys,
            first=[*marks.needles(), *(one for forms in keys.values() for many in forms.values() for one in many)],
        )
        self.found: dict[str, Counter[Found]] = {}
        self.places: dict[str, int] = {}
        self.unread: list[str] = []

    def run(self, plan: Plan) -> int:
        from django.conf import settings

        from obscura.core import log
        from obscura.local import cast, crowd, ready
        from obscura.local.chaos import shown, typist
        from obscura.local.venue import Control

        log.configure("secrets")
        control = Control(self.where.control)
        houses = cast.open_houses()
        book = cast.Book(self.where.var / "people.json")
        ready.wait(plan, self.where, host=cast.ZERO.host)
        cast.staff(book)
        monitor = gathered.Monitor(settings.REDIS_URL)
        people = crowd.gather(refs=houses, control=control, followers=self.asked.followers, draw=self.sealed.draw)
        ref, label = houses[cast.ZERO.slug], self.control.draw()[:LONGEST_LABEL]
        ben = typist.sit_down(port=self.where.ports["web"], book=book, ref=ref, label=label)
        connected = typist.connect(ben, control=control, sealed=self.sealed, typed=self.typed)
        ready.wait_for_market(control, leads=1)
        self._say(f"{people.followers} followers and {connected} accounts of a client are in place")
        copied = self._trade(control, people)
        with self._controls() as holder:
            reports, answers = typist.mistakes(ben, self.typed)
            self._look_at_memory(holder)  # at once: what was typed a moment ago is not written over yet
            self._look_at("error reports", reports)
            self._look_at("error answers", answers)
            self._look_at("admin pages", [b"".join(one[1:]) for one in shown.admin_pages(ben, book)])
            self._look_at("pages", [b"".join(one[1:]) for one in shown.pages(ben)])
            told = shown.api_answers(ben)
            self._look_at("API answers", [b"".join(one[1:]) for one in told])
            self.places["API answers of 200"] = sum(one.status == 200 for one in told)
            self._look_at("messages to Redis", [monitor.end()])
            self._look_at_stores()
            self._look_at_files()
            later = self._still_in_web()
        drawn = people.followers + len(people.leads) + connected
        return self._verdict(drawn, copied, later)

    def _keys(self) -> dict[str, bytes]:
        from citadel.vaults.local import derive

        root = bytes.fromhex(self.where.root_key.read_text().strip())
        return {
            leaks.ROOT: root,
            leaks.MANDATE: bytes.fromhex(self.where.mandate_key.read_text().strip()),
            leaks.INTAKE: derive(root, "intake/x25519/1"),
            leaks.SHARED: derive(root, "kek/v1"),
            leaks.GENERATION: self._generation(root),
        }

    def _generation(self, root: bytes) -> bytes:
        """What tenants' keys are wrapped by: of a copy of the signer's file, which it writes when it starts."""
        from citadel.vaults.local_generations import FILE, LocalGenerations

        end = time.monotonic() + START_LIMIT_S
        while not (content := _content(self.where.vault / FILE)).strip(b"\0"):
            if time.monotonic() > end:
                raise TimeoutError(f"the signer has written no generation within {START_LIMIT_S:.0f} s")
            time.sleep(LOOK_S)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / FILE).write_bytes(content)
            provider = LocalGenerations(root=root, folder=Path(folder))
            key = provider._kek(max(provider.generations().made))
            provider.close()
        return key

    def _trade(self, control: Control, people: Crowd) -> int:
        """The lead trades, and what it does is copied. How many orders of followers the venue has accepted."""
        from obscura.core import clock
        from obscura.local import record
        from obscura.local.play import Diary, Hand

        [lead] = people.leads
        diary, hand = Diary(since=clock.now(), leads=[lead]), Hand(seed=1)
        for _, move in zip(range(self.asked.moves), hand.moves(), strict=False):
            diary.trade(control=control, lead=lead, move=move)
            hand.done(move)
            time.sleep(PAUSE_S)
        for move in hand.closing():
            diary.trade(control=control, lead=lead, move=move)
        if waits := record.wait_until_settled(window=diary.window, limit=SETTLE_LIMIT_S):
            self._say(f"not settled: {waits}")
        found = record.read(window=diary.window(), control=control)
        return sum(order.accepted for order in found.run.orders)

    @contextlib.contextmanager
    def _controls(self) -> Iterator[int]:
        """The control, in memory, in a row, under a key, in a message and in a line of the log, while it lasts.

        The pid of the process that holds it. Pages, answers and reports show it as the name of an account.
        """
        import celery
        from django.db import connection

        from obscura.core import log, redis_clients

        word = self.control.draw()
        held = subprocess.Popen([sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert held.stdin is not None and held.stdout is not None
        try:
            held.stdin.write(f"{word}\n".encode())
            held.stdin.flush()
            held.stdout.readline()
            with connection.cursor() as cursor:
                cursor.execute(f"create table if not exists public.{CONTROL_TABLE} (word text, raw bytea)")
                cursor.execute(f"insert into public.{CONTROL_TABLE} values (%s, %s)", [word, word.encode()])
            redis_clients.sync().set(CONTROL_KEY, word)
            nobody = {"account_id": str(UUID(int=0)), "control": word}
            celery.current_app.send_task("citadel.forget", kwargs=nobody, queue="default")
            log.get("chaos").info("chaos.control", word=word)
            yield held.pid
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"drop table if exists public.{CONTROL_TABLE}")
            redis_clients.sync().delete(CONTROL_KEY)
            held.stdin.close()
            held.wait(timeout=10)
            held.stdout.close()

    def _look_at(self, place: str, texts: list[bytes]) -> None:
        found = self.found.setdefault(place, Counter())
        for text in texts:
            found += self.needles.count(text)
        self.places[place] = len(texts)

    def _look_at_stores(self) -> None:
        from obscura.core import redis_clients

        self._look_at("database", [gathered.database(self.where.var)])
        self._look_at("Redis", [held for _, held in gathered.every_key(redis_clients.sync())])

    def _look_at_files(self) -> None:
        """Every file of the state folder: logs, mail, the servers' own data. Not the venue's, and not the keys."""
        but = {self.where.paper, self.where.var / "keys"}
        for path, name in gathered.files(self.where.var, but=but):
            place = "logs" if path.suffix == ".log" else "files"
            found = self.found.setdefault(place, Counter())
            with contextlib.suppress(FileNotFoundError):  # the servers take away what they need no more
                for part in gathered.parts_of(path, overlap=self.needles.overlap):
                    here = self.needles.count(part, within=PART)
                    found += here
                    for what, form in here:
                        if what != leaks.CONTROL:
                            self._say(f"{name} has a {what} as {form}")
                self.places[place] = self.places.get(place, 0) + 1

    def _look_at_memory(self, holder: int) -> None:
        pids = memory.processes(self.where.var, but={os.getpid()}) | {holder: "control"}
        looked = memory.look(pids, self.needles)
        self.found |= {f"{leaks.MEMORY}{name}": found for name, found in looked.found.items()}
        self.unread += looked.unread
        self.places |= {"processes": looked.processes, "MB of memory": looked.read_bytes >> 20}

    def _still_in_web(self) -> int:
        """What was typed, how often it is in the web process now, after it has served everything else."""
        pids = memory.processes(self.where.var, but={os.getpid()})
        looked = memory.look({pid: name for pid, name in pids.items() if name == leaks.TYPED_INTO}, self.needles)
        found = looked.found.get(leaks.TYPED_INTO, Counter())
        return sum(count for (what, _), count in found.items() if what == leaks.TYPED)

    def _verdict(self, drawn: int, copied: int, later: int) -> int:
        verdict = leaks.judge(self.found)
        result = {
            "secrets": drawn,
            "places": self.places,
            "found": verdict.leaks,
            "control_found": not verdict.missing,
            "control_missing": verdict.missing,
            "unread": self.unread,
            "held_by_right": verdict.held,
            "typed_into_web": verdict.typed,
            "typed_into_web_later": later,
            "copied": copied,
        }
        stack.leave_result(self.where, result)
        whole = not self.unread or self.asked.as_user
        if not whole:
            self._say(f"not passed: {len(self.unread)} could not be read; {self.unread[0]}")
        return 0 if whole and copied and not verdict.leaks and not verdict.missing else 1

    def _say(self, words: str) -> None:
        print(f"{boot.since_start_ms() / 1000:5.1f} s  {words}", flush=True)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
