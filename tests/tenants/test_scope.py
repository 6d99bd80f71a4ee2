"""Being in a tenant: what a block enters, it leaves."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model

from tenants import scope


def test_the_same_email_lives_at_two_tenants_and_they_never_meet(alpha, beta, cast):
    here, there = cast.ben(at=alpha), cast.ben(at=beta)

    with scope.entered(beta):
        found = get_user_model().objects.get(email="ben@example.com")

    assert here.pk != there.pk
    assert found.pk == there.pk
    assert scope.current() == "t_alpha"


def test_a_block_that_fails_still_leaves_its_tenant(alpha, beta):
    try:
        with scope.entered(beta):
            raise ValueError
    except ValueError:
        pass

    assert scope.current() == "t_alpha"


def test_each_visits_open_tenants_and_neither_template_nor_office(zero, alpha, beta):
    visited = [(tenant.schema_name, scope.current()) for tenant in scope.each(reason="test")]

    assert visited == [("t_zero", "t_zero"), ("t_alpha", "t_alpha"), ("t_beta", "t_beta")]
    assert scope.current() == "t_zero"


async def test_a_coroutine_is_a_test_in_the_same_transaction(alpha, cast):
    await sync_to_async(cast.ben)()

    assert await get_user_model().objects.acount() == 1


def test_what_is_committed_is_gone_afterwards(committed, alpha, cast):
    cast.ben()

    assert get_user_model().objects.count() == 1


def test_nothing_was_left_by_the_test_before(alpha):
    assert get_user_model().objects.count() == 0
