"""Promises outlive the database session they are kept with."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection

from obscura.core.nudge import send
from obscura.core.nudge.models import Nudge
from tests.support import database


def test_a_session_that_the_server_ended_is_replaced(committed, redis_db, alpha):
    send.nudge("tests.nothing", queue="default")
    nudge = Nudge.objects.get()
    with database._admin() as server:
        server.execute("select pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    with pytest.raises(psycopg.OperationalError):
        send.done(nudge.pk)
    send.done(nudge.pk)

    assert not Nudge.objects.exists()
