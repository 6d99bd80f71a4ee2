"""One brand colour in, a stylesheet of readable variables out: a partner's taste never costs contrast."""

from __future__ import annotations

import hashlib
import re

from obscura.core.errors import Problem

# What the brand is seen on: the darkest surface of the light theme and the lightest of the dark one; ink and paper.
LIGHT_SURFACE, DARK_SURFACE = "#eceef2", "#24272f"
INK, PAPER = "#14161c", "#ffffff"
# Contrast by WCAG 2.2: text 4.5, lines and controls 3; a little above, since colours are rounded to bytes.
TEXT_CONTRAST, LINE_CONTRAST = 4.6, 3.1
STEPS = 50
HEX_COLOUR = re.compile(r"#[0-9a-f]{6}")

Channels = tuple[float, float, float]


class NotAColour(Problem):
    """This is not a colour."""

    code = "brand_not_a_colour"
    remedy = "Write the colour as #rrggbb, for example #d9a62e."


def parse(colour: str) -> Channels:
    """The red, green and blue parts, 0 to 1, of "#rrggbb".

    :raises NotAColour: anything else, so that nothing foreign can get into a stylesheet
    """
    text = colour.strip().lower()
    if not HEX_COLOUR.fullmatch(text):
        raise NotAColour
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def as_hex(channels: Channels) -> str:
    """The text "#rrggbb" of a colour, each part rounded to a byte."""
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def luminance(channels: Channels) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Channels, other: Channels) -> float:
    """Contrast ratio from 1 to 21, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def shaded(colour: Channels, *, against: Channels, at_least: float, toward: Channels) -> Channels:
    """The nearest mix of the colour with `toward` that is readable against a surface."""
    for step in range(STEPS):
        red, green, blue = (own + (goal - own) * step / STEPS for own, goal in zip(colour, toward, strict=True))
        mixed = parse(as_hex((red, green, blue)))
        if contrast(mixed, against) >= at_least:
            return mixed
    return toward


def variables(colour: Channels, *, surface: Channels, toward: Channels) -> str:
    """The four variables of one theme: fill, what is written on it, brand as text, brand as a line."""
    ink, paper = parse(INK), parse(PAPER)
    content, away = (ink, paper) if contrast(colour, ink) >= contrast(colour, paper) else (paper, ink)
    fill = shaded(colour, against=content, at_least=TEXT_CONTRAST, toward=away)
    text = shaded(colour, against=surface, at_least=TEXT_CONTRAST, toward=toward)
    line = shaded(colour, against=surface, at_least=LINE_CONTRAST, toward=toward)
    named = {"color-primary": fill, "color-primary-content": content, "brand-text": text, "brand-line": line}
    return "".join(f"--{name}:{as_hex(value)};" for name, value in named.items())


def stylesheet(colour: str) -> str:
    """The CSS of a tenant's brand for both themes.

    :param colour: "#rrggbb"
    :raises NotAColour: see `parse`
    """
    brand = parse(colour)
    light = variables(brand, surface=parse(LIGHT_SURFACE), toward=parse(INK))
    dark = variables(brand, surface=parse(DARK_SURFACE), toward=parse(PAPER))
    return (
        f":root,[data-theme=light]{{{light}}}[data-theme=dark]{{{dark}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme]){{{dark}}}}}"
    )


def version(colour: str) -> str:
    """Eight characters that change with the stylesheet: goes into its address, which may then be kept for ever."""
    return hashlib.sha256(stylesheet(colour).encode()).hexdigest()[:8]
