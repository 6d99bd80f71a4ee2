"""Counting: nothing counted is lost, doubled or taken for somebody else's, whoever dies and whatever is away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest
import redis

from obscura.core import alive, metrics, redis_clients
from obscura.core.metrics import DEFINED, Counter, Found, Gauge, Histogram, Sample, cells, laid, summed

_names = count(1)


@pytest.fixture(autouse=True)
def _forget_definitions(redis_db: object) -> Iterator[None]:
    """What other tests counted is handed over before, and these definitions are nobody's afterwards."""
    before = dict(DEFINED)
    while metrics.hand_over():
        pass
    redis_clients.sync().flushdb()
    yield
    for name in DEFINED.keys() - before.keys():
        del DEFINED[name]
        for _, counts in cells._threads:
            for key in [key for key in counts if key[0] == name]:
                del counts[key]
        for key in [key for key in cells._ended if key[0] == name]:
            del cells._ended[key]


def counter(*labels: str) -> Counter:
    return Counter(f"test_{next(_names)}_total", "Of a test.", labels)


def told(one: Counter | Histogram) -> dict[tuple[str, ...], float]:
    """By labels and part, what the totals have of a metric."""
    return {(*labels, part): value for name, labels, part, value in metrics.totals() if name == one.name}


def in_child(work: object) -> int:
    """Do something in a fork that is then killed; its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()  # type: ignore[operator]
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_threads_count_beside_each_other_and_one_that_has_ended_is_not_forgotten():
    one = counter("kind")
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        for _ in range(20_000):
            one.add("a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.add("b", n=7)
    metrics.hand_over()

    assert told(one) == {("a", ""): 80_000, ("b", ""): 7}
    metrics.hand_over()
    assert told(one) == {("a", ""): 80_000, ("b", ""): 7}


def test_a_killed_process_takes_no_total_down_with_it_and_its_successor_goes_on():
    one = counter()

    def work() -> None:
        one.add(n=5)
        metrics.hand_over()
        one.add(n=3)  # of this nobody hears any more

    assert os.WTERMSIG(in_child(work)) == signal.SIGKILL
    assert told(one) == {("",): 5}
    assert os.WTERMSIG(in_child(work)) == signal.SIGKILL
    one.add()
    metrics.hand_over()

    assert told(one) == {("",): 11}


def test_a_child_does_not_count_again_what_its_parent_counted():
    one = counter()
    one.add(n=100)

    in_child(lambda: (one.add(), metrics.hand_over()))

    assert told(one) == {("",): 1}
    metrics.hand_over()
    assert told(one) == {("",): 101}


def test_a_batch_whose_answer_was_lost_is_added_once(monkeypatch):
    one, client = counter(), redis_clients.sync()
    adds = client.eval

    def then_silence(*args: object) -> None:
        adds(*args)
        raise redis.TimeoutError

    one.add(n=4)
    monkeypatch.setattr(client, "eval", then_silence)
    with pytest.raises(redis.TimeoutError):
        metrics.hand_over()
    one.add(n=2)
    with pytest.raises(redis.TimeoutError):
        metrics.hand_over()
    monkeypatch.undo()

    assert told(one) == {("",): 4}
    metrics.hand_over()
    metrics.hand_over()
    assert told(one) == {("",): 6}


def test_what_could_not_be_handed_over_is_handed_over_later(monkeypatch):
    one, client = counter(), redis_clients.sync()

    def away(*_: object) -> None:
        raise redis.ConnectionError

    one.add(n=4)
    monkeypatch.setattr(client, "eval", away)
    with pytest.raises(redis.ConnectionError):
        metrics.hand_over()
    monkeypatch.undo()
    one.add(n=1)
    while metrics.hand_over():
        pass

    assert told(one) == {("",): 5}


def test_more_than_a_batch_takes_more_heartbeats(monkeypatch):
    monkeypatch.setattr(summed, "MOST_AT_A_TIME", 2)
    one = counter("kind")
    for kind in "abcde":
        one.add(kind)

    assert [metrics.hand_over() for _ in range(4)] == [2, 2, 1, 0]
    assert told(one) == {(kind, ""): 1 for kind in "abcde"}


def test_a_redis_that_was_started_again_begins_at_nothing():
    # With totals from before its last writes, growth would be seen where there was none.
    one, client = counter(), redis_clients.sync()
    one.add(n=40)
    metrics.hand_over()
    client.set(summed.RUN, "the one before")

    assert metrics.totals() == []
    one.add(n=2)
    metrics.hand_over()

    assert told(one) == {("",): 2}


def test_what_redis_keeps_ends():
    counter().add()
    metrics.hand_over()
    metrics.lay("somewhere", [])

    left = {key.decode(): redis_clients.sync().ttl(key) for key in redis_clients.sync().keys("obscura:metrics:*")}
    assert len(left) == 4
    assert min(left.values()) > 0


def test_times_fall_into_buckets_and_a_bound_belongs_to_its_own():
    one = Histogram(f"test_{next(_names)}_seconds", "Of a test.", ["way"], bounds=(0.1, 0.5))
    for seconds in (0.05, 0.1, 0.2, 3.0, -1.0, 0.5, 0.5):
        one.took(seconds, "there")
    metrics.hand_over()

    assert told(one) == {("there", "0"): 3, ("there", "1"): 3, ("there", "2"): 1, ("there", "sum"): 4.35}


def test_a_label_that_grows_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(cells, "MOST", 3)
    one, other = counter("kind", "word"), counter("word")
    for number in range(10):
        one.add("t", str(number))
        other.add("same")
    metrics.hand_over()

    assert told(one) == {("t", "0", ""): 1, ("t", "1", ""): 1, ("t", "2", ""): 1, ("other", "other", ""): 7}
    assert told(other) == {("same", ""): 10}


def test_what_was_laid_down_is_told_with_its_age_and_no_longer_than_it_is_fresh(monkeypatch):
    one = Gauge(f"test_{next(_names)}", "Of a test.", ["kind"])
    now = time.time()

    assert metrics.found("somewhere") == Found(None, [])
    metrics.lay("somewhere", [one.at(3, "a"), Sample("test_gone", (), "", 1)])
    fresh = metrics.found("somewhere")
    monkeypatch.setattr(laid.time, "time", lambda: now + 40)
    stale = metrics.found("somewhere")

    assert (fresh.fresh, fresh.samples) == (True, [Sample(one.name, ("a",), "", 3)])
    assert (stale.fresh, stale.samples) == (False, [])
    assert 39 < stale.age_s < 50


def test_no_part_lays_down_without_end():
    one = Gauge(f"test_{next(_names)}", "Of a test.", ["kind"])
    metrics.lay("somewhere", [one.at(1, "a")])

    with pytest.raises(laid.TooManySamples):
        metrics.lay("somewhere", [one.at(1, str(number)) for number in range(laid.MOST + 1)])

    assert metrics.found("somewhere").samples == [one.at(1, "a")]


def test_a_kind_of_process_that_fell_silent_is_told_by_its_age(monkeypatch):
    now = time.time()
    alive.say("stand")
    alive.say("other")
    monkeypatch.setattr(alive.time, "time", lambda: now + 60)
    alive.say("other")

    assert [row["process"] for row in alive.processes()] == ["other"]
    assert alive.ages()["other"] == 0
    assert 59 < alive.ages()["stand"] < 70
    monkeypatch.setattr(alive.time, "time", lambda: now + 3_700)
    assert alive.ages() == {}
    assert redis_clients.sync().hgetall(alive.KEY) == {}


def test_counts_of_another_release_are_left_where_they_do_not_fit():
    one = counter("kind")
    one.add("a")
    metrics.hand_over()
    client = redis_clients.sync()
    client.hincrby(summed.TOTALS, b'["test_gone_total",["x"],""]', 9)
    client.hincrby(summed.TOTALS, f'["{one.name}",["a","more"],""]', 9)
    client.hincrby(summed.TOTALS, f'["{one.name}",["a"],"sum"]', 9)

    found = metrics.totals()

    assert [tuple(sample) for sample in found if sample.name.startswith("test_")] == [(one.name, ("a",), "", 1)]


def test_a_name_stands_for_one_thing():
    one = counter("kind")

    with pytest.raises(ValueError, match="defined twice"):
        Counter(one.name, "Something else.", ["kind"])
