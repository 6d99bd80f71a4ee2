"""A partner's colour becomes variables that can be read on every surface."""

import re

import pytest

from obscura.web import branding

COLOURS = ["#d9a62e", "#0b63ce", "#b8f400", "#ff5fa2", "#808080", "#000000", "#ffffff"]


def block(css, selector):
    body = css.split(selector + "{", 1)[1].split("}", 1)[0]
    return {name: branding.parse(value) for name, value in re.findall(r"--([a-z-]+):(#[0-9a-f]{6});", body)}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    ("selector", "surface"),
    [(":root,[data-theme=light]", branding.LIGHT_SURFACE), ("[data-theme=dark]", branding.DARK_SURFACE)],
)
def test_every_colour_is_readable_in_both_themes(colour, selector, surface):
    found = block(branding.stylesheet(colour), selector)
    ground = branding.parse(surface)

    assert branding.contrast(found["color-primary"], found["color-primary-content"]) >= 4.5
    assert branding.contrast(found["brand-text"], ground) >= 4.5
    assert branding.contrast(found["brand-line"], ground) >= 3


def test_a_colour_that_is_readable_already_stays_itself():
    assert "--color-primary:#d9a62e;" in branding.stylesheet("#D9A62E")


@pytest.mark.parametrize("text", ["", "gold", "#fff", "#12345g", "#123456}body{display:none", "#123456;"])
def test_what_is_no_colour_never_reaches_a_stylesheet(text):
    with pytest.raises(branding.NotAColour) as refusal:
        branding.stylesheet(text)

    assert refusal.value.code == "brand_not_a_colour"
    assert "#rrggbb" in refusal.value.remedy


def test_contrast_of_ink_on_paper_is_the_greatest_there_is():
    assert round(branding.contrast(branding.parse("#000000"), branding.parse("#ffffff")), 2) == 21.0


def test_the_version_changes_with_the_colour_only():
    assert branding.version("#d9a62e") == branding.version(" #D9A62E ")
    assert branding.version("#d9a62e") != branding.version("#d9a62f")
    assert len(branding.version("#d9a62e")) == 8
