"""Form controls get their look and their labels here, so forms carry no classes."""

import pytest
from django import forms

from obscura.web.templatetags import controls


class Amounts(forms.Form):
    amount = forms.DecimalField(help_text="In dollars")
    account = forms.ChoiceField(choices=[("1", "Main")])
    note = forms.CharField(widget=forms.Textarea(attrs={"class": "tall", "placeholder": "Anything"}))
    agreed = forms.BooleanField()
    token = forms.CharField(widget=forms.HiddenInput)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("amount", "input"), ("account", "select"), ("note", "textarea"), ("agreed", "checkbox"), ("token", "hidden")],
)
def test_a_field_knows_what_sort_of_control_it_is(name, kind):
    assert controls.kind(Amounts()[name]) == kind


def test_a_control_has_our_look_and_keeps_its_own_classes():
    assert 'class="input"' in controls.control(Amounts()["amount"])
    assert 'class="textarea tall"' in controls.control(Amounts()["note"])
    assert 'class="grow"' in controls.control(Amounts()["amount"], bare=True)


def test_a_quiet_control_repeats_nothing_its_label_says():
    assert 'placeholder=""' in controls.control(Amounts()["note"], quiet=True)


def test_a_control_may_mirror_another():
    assert 'data-mirror="slider"' in controls.control(Amounts()["amount"], mirror="slider")


def test_a_wrong_field_points_to_its_help_and_its_error():
    drawn = controls.control(Amounts({})["amount"])

    assert 'aria-invalid="true"' in drawn
    assert 'aria-describedby="id_amount_helptext id_amount_error"' in drawn
