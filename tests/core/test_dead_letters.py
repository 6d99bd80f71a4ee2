"""What was tried too often waits for a person, with its reason, and is sent again once, however often that is asked."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from obscura.core import clock
from obscura.core.audit.models import Entry
from obscura.core.errors import Conflict
from obscura.core.nudge import send
from obscura.core.nudge.dead_letters import dead_letters, replay
from obscura.core.nudge.models import Nudge
from tenants.scope import PUBLIC, entered
from tests.support.processes import celery_worker, eventually, running

OFFICE, ALPHA = "office.testserver", "alpha.testserver"


def letter(tenant: str = "t_alpha", *, dead: bool = True, error: str = "venue_away: Away.", **ids: object) -> Nudge:
    return Nudge.objects.create(
        tenant=tenant, task="tests.mistaken", queue="default", ids=ids, due=clock.now(), tries=41, error=error,
        dead=dead, created_at=clock.now(),
    )  # fmt: skip


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """The nudges whose messages were handed to the broker."""
    found: list[int] = []
    monkeypatch.setattr("obscura.core.nudge.dead_letters.send", lambda message: found.append(message.id))
    return found


@send.nudged("tests.mistaken")
def mistaken(*, problem: bool) -> None:
    """Do what cannot be done."""
    if problem:
        raise Conflict("The pool is closed.", code="pool_closed")
    raise KeyError("not to be told")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (True, "pool_closed: The pool is closed."),
        (False, "KeyError: A mistake in our code; the log has its place."),
    ],
)
def test_the_reason_of_the_last_try_is_kept_in_words(alpha, problem, told):
    nudge = letter(dead=False, error="")

    with pytest.raises((Conflict, KeyError)):
        mistaken(problem=problem, nudge=nudge.pk)

    nudge.refresh_from_db()
    assert (nudge.error, send.words_of("tests.mistaken")) == (told, "Do what cannot be done.")


def test_who_never_came_back_is_a_reason_too(alpha, redis_db, monkeypatch):
    monkeypatch.setattr(send, "TRIES", 41)
    monkeypatch.setattr(send, "PATIENCE_H", 0)
    nudge = letter(dead=False, error="")

    send.sweep()

    nudge.refresh_from_db()
    assert (nudge.dead, nudge.tries) == (True, 42)
    assert nudge.error == "lost: Nobody came back from it: its worker was lost, or the database was away."


def test_a_letter_is_sent_again_once_however_often_that_is_asked(alpha, sent, django_capture_on_commit_callbacks):
    one, other, alive = letter(), letter(), letter(dead=False)

    with django_capture_on_commit_callbacks(execute=True):
        counts = [replay([one.pk, alive.pk], actor="stella"), replay([one.pk], actor="stella")]

    assert (counts, sent) == ([1, 0], [one.pk])
    one.refresh_from_db()
    assert (one.dead, one.tries, one.error) == (False, 0, "")
    assert list(dead_letters()) == [other]
    entry = Entry.objects.get()
    assert (entry.action, entry.actor, entry.subject) == ("nudge.resent", "stella", f"nudge:{one.pk}")
    assert entry.facts == {"task": "tests.mistaken", "tenant": "t_alpha", "why": "venue_away: Away."}


def test_a_tenants_staff_see_and_revive_their_own_alone(alpha, beta, cast, client_at, redis_db, sent, settings):
    own, foreign = letter(error="venue_away: Alpha waits."), letter("t_beta", error="venue_away: Beta waits.")
    desk = client_at(ALPHA, user=cast.staff(at=alpha))
    url = "/admin/nudge/deadletter/"

    page = desk.get(url).text
    assert "Alpha waits." in page
    assert "Do what cannot be done." in page
    assert "Beta waits." not in page
    assert desk.get(f"{url}{foreign.pk}/change/").status_code == 302  # to the overview: there is no such letter here
    assert "Beta waits." not in desk.get(f"{url}{foreign.pk}/change/", follow=True).text
    assert "Beta waits." not in desk.get(f"{url}?q=beta").text
    desk.post(url, {"action": "send_again", "_selected_action": [own.pk, foreign.pk], "select_across": "1"})

    own.refresh_from_db(), foreign.refresh_from_db()
    assert (own.dead, foreign.dead) == (False, True)
    assert replay([foreign.pk], actor="stella", tenant="t_alpha") == 0
    with entered(alpha):
        assert Entry.objects.get(action="nudge.resent").subject == f"nudge:{own.pk}"


def test_a_tenants_letters_are_counted_beside_their_name(alpha, cast, client_at, redis_db):
    letter(), letter("t_beta"), letter(dead=False)

    page = client_at(ALPHA, user=cast.staff(at=alpha)).get("/admin/pools/pool/").text

    assert page.split("Dead letters</span>")[1].split("</span>")[0].rpartition(">")[2].strip() == "1"


def test_staff_who_may_only_look_cannot_revive(alpha, cast, client_at, redis_db):
    from django.contrib.auth.models import Permission

    helper = cast.person("helper", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_deadletter"))
    own = letter()
    desk = client_at(ALPHA, user=helper)

    assert "Away." in desk.get("/admin/nudge/deadletter/").text
    desk.post("/admin/nudge/deadletter/", {"action": "send_again", "_selected_action": [own.pk]})

    own.refresh_from_db()
    assert own.dead


def test_the_office_sees_all_and_revives_all_together(zero, alpha, beta, cast, client_at, redis_db, sent):
    letters = [letter(), letter("t_beta")]
    with entered(PUBLIC):
        office = client_at(OFFICE, user=cast.staff())

    page = office.get("/nudge/nudge/?dead__exact=1").text
    assert "t_alpha" in page and "t_beta" in page
    office.post(
        "/nudge/nudge/?dead__exact=1",
        {"action": "send_again", "_selected_action": [letters[0].pk], "select_across": "1"},
    )

    assert not Nudge.objects.filter(dead=True).exists()


def test_the_command_shows_and_revives(alpha, sent, django_capture_on_commit_callbacks):
    first, second, third = letter(signal_id=5), letter("t_beta"), letter("t_beta")

    def said(*arguments: str) -> list[str]:
        out = StringIO()
        with django_capture_on_commit_callbacks(execute=True):
            call_command("dead_letters", *arguments, stdout=out)
        return out.getvalue().splitlines()

    assert said()[-1] == "3 dead"
    assert f"{first.pk}  t_alpha  tests.mistaken  {{'signal_id': 5}}" in said()[0]
    assert said("--tenant", "t_beta")[-1] == "2 dead"
    assert said("--replay", str(second.pk)) == ["1 sent again"]
    assert said("--replay", str(second.pk)) == ["0 sent again"]
    assert said("--replay", "all") == ["2 sent again"]
    assert sent == [second.pk, first.pk, third.pk]
    with pytest.raises(CommandError):
        said("--replay", "everything")


def test_a_task_that_kills_its_worker_is_tried_so_often_and_not_for_ever(committed, redis_db, alpha, tmp_path):
    worker = [*celery_worker(["default"], include="tests.core.poison")]
    worker[worker.index("solo")] = "prefork"
    with entered(alpha):
        send.nudge("tests.poison", mark=str(tmp_path / "deaths"))
        send.nudge("tests.harmless", mark=str(tmp_path / "alive"))

    extra = {"TESTS_TRIES": "3", "OBSCURA_RUN": str(tmp_path)}

    with running(*worker, "-c", "1", log=tmp_path / "worker.log", extra=extra):
        eventually(lambda: Nudge.objects.filter(dead=True).exists(), log=tmp_path / "worker.log")
        eventually(lambda: (tmp_path / "alive").exists(), log=tmp_path / "worker.log")

    dead = Nudge.objects.get()
    assert (dead.task, dead.tries, dead.error.partition(":")[0]) == ("tests.poison", 4, "lost")
    assert (tmp_path / "deaths").read_text() == "xxxx"  # the first run, and three that the broker brought back
