"""A database that is away is told from a statement that went wrong, and waited for."""

from __future__ import annotations

from math import inf

import django.db
import psycopg
import pytest
from django.db import connection

from obscura.core.db.away import away, patiently
from tests.support import database


def raised(work) -> BaseException:
    try:
        work()
    except psycopg.Error as error:
        return error
    except django.db.Error as error:
        return error
    raise AssertionError("nothing went wrong")


def test_a_server_that_is_not_there_is_away():
    assert away(raised(lambda: psycopg.connect("host=127.0.0.1 port=1 dbname=obscura user=obscura")))


def test_a_session_that_the_server_ended_is_away_in_the_words_of_the_driver_and_of_django(committed):
    connection.ensure_connection()
    with database._admin() as server:
        server.execute("select pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("select 1")

    first, second = raised(ask), raised(lambda: connection.connection.execute("select 1"))

    assert isinstance(first, django.db.OperationalError)
    assert away(first)
    assert away(second)
    connection.close()


@pytest.mark.parametrize("statement", ["set statement_timeout = 1; select pg_sleep(5)", "select 1/0", "select nothing"])
def test_a_statement_that_went_wrong_is_not_away(committed, statement):
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        error = raised(lambda: session.execute(statement))
    assert not away(error)


def test_work_is_done_again_until_the_database_is_back():
    tries = iter([psycopg.OperationalError("the connection is lost"), psycopg.InterfaceError("closed"), None])

    def work() -> str:
        if (error := next(tries)) is not None:
            raise error
        return "done"

    assert patiently(work, limit=inf) == "done"


def test_the_patience_of_a_task_ends():
    tries = []

    def work() -> None:
        tries.append(1)
        raise psycopg.OperationalError("the connection is lost")

    with pytest.raises(psycopg.OperationalError):
        patiently(work, limit=0.0)
    assert len(tries) == 1


def test_what_went_wrong_otherwise_is_not_tried_again():
    tries = []

    def work() -> None:
        tries.append(1)
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(psycopg.errors.DeadlockDetected):
        patiently(work, limit=inf)
    assert len(tries) == 1
