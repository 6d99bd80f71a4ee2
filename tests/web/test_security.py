"""The public page about keys says what the vault has said, and nothing better."""

from datetime import timedelta

import pytest

from citadel.intake.models import Statement
from obscura.core import clock
from tenants.scope import PUBLIC, entered

VERDICT = {
    "mode": "required", "accepted": True, "code": "accepted", "product": "Genoa", "measurement": "ab" * 48,
    "firmware": "bl9 tee0 snp22 ucode72 fmc0", "report": "cd" * 32, "at": "2026-11-27T12:00:00+00:00",
}  # fmt: skip


def say(keys="local", **attestation):
    now = clock.now()
    with entered(PUBLIC):
        Statement.objects.create(keys=keys, attestation=attestation, heard_at=now, since=now - timedelta(hours=2))


@pytest.fixture
def page(alpha, client_at):
    def read():
        answer = client_at("alpha.testserver").get("/security/")
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return read


def test_before_anybody_has_asked_it_says_so(page):
    assert "has not been asked yet" in page()


def test_that_attestation_is_off_is_said_plainly(page):
    say(mode="off")

    assert "Off" in page() and "Whoever is root on it could read them." in page()


def test_what_was_measured_is_shown_with_the_way_to_check_it(page):
    say("nildb", **VERDICT)

    shown = page()
    assert "Required, and given" in shown and "three independent nodes" in shown
    assert shown.count("ab" * 48) == 2  # as it is, and in the command
    assert "python -m citadel.attestation.check report.bin" in shown


def test_evidence_that_is_missing_is_not_passed_over(page):
    say(mode="required", accepted=False, code="measurement_unknown")

    assert "Required, and missing" in page() and "measurement_unknown" in page()


LIST = {
    "policy": "where_reachable", "judged": True, "issued": "2026-11-19T12:00:00+00:00",
    "until": "2026-12-20T12:00:00+00:00", "trouble": [],
}  # fmt: skip
NONE = LIST | {"judged": False, "issued": "", "until": "", "trouble": ["kds_away"]}


def test_of_when_the_revocation_list_is_and_what_it_says_is_shown(page):
    say(**VERDICT, revocation=LIST)

    assert "Judged" in page() and "19 Nov 2026" in page() and "20 Dec 2026" in page()


def test_that_revocation_was_not_judged_is_not_passed_over(page):
    say(**VERDICT, revocation=NONE)

    shown = page()
    assert "Not judged" in shown and "nobody has looked whether AMD still stands by" in shown
    assert "kds_away" in shown


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("revoked", "AMD has revoked a certificate of this machine."),
        ("revocation_missing", "No key is opened until there is a list of AMD’s that can be believed."),
        ("revocation_unknown", "No key is opened until there is a list of AMD’s that can be believed."),
    ],
)
def test_why_no_key_is_opened_is_said(page, code, words):
    say(**VERDICT | {"accepted": False, "code": code}, revocation=NONE | {"policy": "required"})

    assert words in page()


def test_whoever_is_not_signed_in_finds_it(alpha, client_at):
    assert 'href="/security/"' in client_at("alpha.testserver").get("/").content.decode()
