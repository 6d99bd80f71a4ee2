"""Nothing that Alpha gave out opens anything at Beta, though Beta has a user with the same e-mail and primary key."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache

from obscura.core.http.errors import Unauthenticated
from tenants.access import tokens
from tenants.scope import entered
from tests.support.people import PASSWORD
from tests.tenants.twins import twins

A, B = "alpha.testserver", "beta.testserver"
AUTH = "/api/v1/auth"


@pytest.fixture
def both(redis_db, alpha, beta, cast):
    """Ben twice, row for row the same."""
    return twins(cast, alpha, beta)


@pytest.fixture(autouse=True)
def _bare_pages(settings):
    """What is sent is looked at here, not how a page draws it."""
    settings.LOGIN_REDIRECT_URL = settings.ACCOUNT_LOGOUT_REDIRECT_URL = "/brand.css"


def login(browser, **more):
    return browser.post(
        f"{AUTH}/login", {"email": "ben@example.com", "password": PASSWORD, **more}, content_type="application/json"
    )


def bearer(pair):
    return {"Authorization": f"Bearer {pair['access']}"}


def test_a_bearer_token_of_one_tenant_is_refused_at_the_other(both, client_at):
    pair = login(client_at(A)).json()

    assert client_at(A).get(f"{AUTH}/me", headers=bearer(pair)).json()["email"] == "ben@example.com"
    refused = client_at(B).get(f"{AUTH}/me", headers=bearer(pair))
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "token_refused"


def test_a_refresh_token_of_one_tenant_is_refused_at_the_other_and_stays_good_at_home(both, client_at):
    pair = login(client_at(A)).json()
    body = {"refresh": pair["refresh"]}

    assert client_at(B).post(f"{AUTH}/refresh", body, content_type="application/json").status_code == 401
    assert client_at(B).post(f"{AUTH}/logout", body, content_type="application/json").status_code == 401
    assert client_at(A).post(f"{AUTH}/refresh", body, content_type="application/json").status_code == 200


def test_a_token_whose_claim_says_the_other_tenant_is_refused_by_its_password_mark(both, alpha, beta):
    from rest_framework_simplejwt.tokens import AccessToken

    with entered(alpha):
        access = AccessToken(tokens.issue(both.here).access)
    access["tenant"] = "t_beta"  # as if the claim had been written wrongly

    with entered(beta), pytest.raises(Unauthenticated):
        tokens.bearer_of(str(access))


def test_a_session_of_one_tenant_is_nobody_at_the_other(both, alpha, beta, client_at):
    browser = client_at(A, user=both.here)
    stolen = browser.cookies["sessionid"].value
    assert browser.get(f"{AUTH}/me").status_code == 200

    other = client_at(B)
    other.cookies["sessionid"] = stolen

    assert other.get(f"{AUTH}/me").status_code == 401


@pytest.mark.parametrize("keep_mark", [True, False])
def test_even_a_copied_session_row_is_refused(both, alpha, beta, client_at, keep_mark):
    from django.contrib.sessions.backends.db import SessionStore

    from tenants.access import sessions

    browser = client_at(A, user=both.here)
    key = browser.cookies["sessionid"].value
    with entered(alpha):
        content = dict(SessionStore(key).load())
    if not keep_mark:
        content[sessions.KEY] = "t_beta"
    with entered(beta):
        copied = SessionStore(key)
        copied.update(content)
        copied.save(must_create=True)

    other = client_at(B)
    other.cookies["sessionid"] = key

    assert other.get(f"{AUTH}/me").status_code == 401
    with entered(beta):
        assert not SessionStore().exists(key)


def test_a_confirmation_link_of_one_tenant_confirms_nothing_at_the_other(both, alpha, beta, client_at):
    for tenant in (alpha, beta):
        with entered(tenant):
            EmailAddress.objects.update(verified=False)
    login(client_at(A))
    (link,) = re.findall(r"http://alpha\.testserver(/accounts/confirm-email/\S+/)", mail.outbox[-1].body)

    client_at(B).post(link)
    with entered(beta):
        assert EmailAddress.objects.get().verified is False

    client_at(A).post(link)
    with entered(alpha):
        assert EmailAddress.objects.get().verified is True


def test_a_reset_link_of_one_tenant_resets_nothing_at_the_other(both, alpha, beta, client_at):
    client_at(A).post("/accounts/password/reset/", {"email": "ben@example.com"})
    (link,) = re.findall(r"http://alpha\.testserver(/accounts/password/reset/key/\S+)", mail.outbox[-1].body)

    with entered(alpha):
        good = tokens.ResetTokens().check_token(both.here, link.rstrip("/").split("-", 1)[1])
    with entered(beta):
        foreign = tokens.ResetTokens().check_token(both.there, link.rstrip("/").split("-", 1)[1])

    assert (good, foreign) == (True, False)
    at_home = client_at(A).get(link)
    elsewhere = client_at(B).get(link)
    assert at_home.status_code == 302
    assert elsewhere.status_code == 200  # the page that says the link is no good
    assert "password1" not in elsewhere.text


def test_a_password_of_one_tenant_opens_nothing_at_another(redis_db, alpha, beta, cast, client_at):
    cast.ben(at=alpha)

    assert login(client_at(A)).status_code == 200
    refused = login(client_at(B))
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "wrong_credentials"


def test_a_second_factor_sealed_at_one_tenant_cannot_be_opened_at_the_other(alpha, beta):
    from allauth.mfa.adapter import get_adapter
    from cryptography.fernet import InvalidToken

    with entered(alpha):
        sealed = get_adapter().encrypt("JBSWY3DPEHPK3PXP")
        assert get_adapter().decrypt(sealed) == "JBSWY3DPEHPK3PXP"

    assert "JBSWY3DPEHPK3PXP" not in sealed
    with entered(beta), pytest.raises(InvalidToken):
        get_adapter().decrypt(sealed)


def test_a_refresh_token_works_once_and_a_second_use_ends_all_of_them(both, client_at):
    pair = login(client_at(A)).json()
    browser = client_at(A)

    second = browser.post(f"{AUTH}/refresh", {"refresh": pair["refresh"]}, content_type="application/json").json()
    again = browser.post(f"{AUTH}/refresh", {"refresh": pair["refresh"]}, content_type="application/json")
    late = browser.post(f"{AUTH}/refresh", {"refresh": second["refresh"]}, content_type="application/json")

    assert again.status_code == 401
    assert late.status_code == 401


def test_tokens_end_when_the_password_changes(both, alpha, client_at):
    pair = login(client_at(A)).json()
    with entered(alpha):
        both.here.set_password("another long enough phrase")
        both.here.save()

    assert client_at(A).get(f"{AUTH}/me", headers=bearer(pair)).status_code == 401


def test_signing_out_ends_the_refresh_token(both, client_at):
    pair = login(client_at(A)).json()
    body = {"refresh": pair["refresh"]}

    assert client_at(A).post(f"{AUTH}/logout", body, content_type="application/json").status_code == 204
    assert client_at(A).post(f"{AUTH}/refresh", body, content_type="application/json").status_code == 401


def test_registering_answers_the_same_whether_the_email_is_known_or_not(redis_db, alpha, cast, client_at):
    cast.ben()
    asked = [
        client_at(A).post(f"{AUTH}/register", {"email": email, "password": PASSWORD}, content_type="application/json")
        for email in ("ben@example.com", "dora@example.com")
    ]

    assert [one.status_code for one in asked] == [201, 201]
    assert [one.json()["status"] for one in asked] == ["verification_sent"] * 2
    assert get_user_model().objects.count() == 2
    assert len(mail.outbox) == 2


def test_who_registered_gets_in_after_following_the_link(redis_db, alpha, client_at):
    browser, body = client_at(A), {"email": "dora@example.com", "password": PASSWORD}
    browser.post(f"{AUTH}/register", body, content_type="application/json")
    early = browser.post(f"{AUTH}/login", body, content_type="application/json")
    (link,) = re.findall(r"http://alpha\.testserver(/accounts/confirm-email/\S+/)", mail.outbox[0].body)

    client_at(A).post(link)

    assert early.status_code == 403
    assert early.json()["error"]["code"] == "email_unconfirmed"
    assert browser.post(f"{AUTH}/login", body, content_type="application/json").status_code == 200


def test_a_weak_password_registers_nobody(redis_db, alpha, client_at):
    answer = client_at(A).post(
        f"{AUTH}/register", {"email": "dora@example.com", "password": "password"}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"
    assert get_user_model().objects.count() == 0


def test_a_second_factor_is_asked_for_here_too(both, alpha, client_at):
    from allauth.mfa.totp.internal import auth as totp

    with entered(alpha):
        secret = totp.generate_totp_secret()
        totp.TOTP.activate(both.here, secret)
        code = totp.format_hotp_value(totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time())))

    without = login(client_at(A))
    within = login(client_at(A), code=code)

    assert without.status_code == 403
    assert without.json()["error"]["code"] == "code_wanted"
    assert within.status_code == 200


def test_the_sixth_sign_in_within_a_minute_is_told_to_wait(redis_db, alpha, cast, client_at):
    cast.ben()
    answers = [login(client_at(A)) for _ in range(6)]

    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[0]["RateLimit-Limit"] == "5"
    assert answers[0]["RateLimit-Remaining"] == "4"
    assert answers[5].json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(answers[5]["Retry-After"]) <= 12
    assert login(client_at(B)).status_code == 401  # another tenant's bucket is its own


def test_a_key_is_no_person_and_a_person_no_key(redis_db, alpha, client_at):
    from tests.tenants.test_doors import mint

    key, _ = mint(alpha)

    assert client_at(A).get(f"{AUTH}/me", headers={"X-API-Key": key}).status_code == 401


def test_what_one_tenant_caches_the_other_does_not_find(redis_db, alpha, beta):
    with entered(alpha):
        cache.set("k", "alpha's")

    with entered(beta):
        assert cache.get("k") is None
