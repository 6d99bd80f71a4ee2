"""Template words for figures, times and pictures; Python code may call them as plain functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from obscura.core import clock as wall
from obscura.web import pictures
from obscura.web.numbers import DASH, exact, plain, rounded, signed
from pools.types import Rung

register = template.Library()

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@register.filter
def pct(value: object, places: int = 1) -> str:
    """A result in percent, its sign always shown: 1.25 is "+1.2%"."""
    figure = exact(value)
    return DASH if figure is None else f"{signed(figure, int(places))}%"


@register.filter
def share(value: object, places: int = 0) -> str:
    """A part in percent, without a sign: 40 is "40%"."""
    figure = exact(value)
    return DASH if figure is None else f"{plain(figure, int(places))}%"


@register.filter
def usd(value: object) -> str:
    """Money: "$5,000", "$12.40", "−$3.05". Cents are shown where there are any."""
    figure = exact(value)
    if figure is None:
        return DASH
    cents = rounded(figure, 2)
    text = plain(cents, 0 if cents == cents.to_integral_value() else 2)
    return f"{text[0]}${text[1:]}" if cents < 0 else f"${text}"


@register.filter
def usd_signed(value: object) -> str:
    """Money won or lost, always with cents and sign: "+$112.40", "−$3.05", "$0.00"."""
    figure = exact(value)
    if figure is None:
        return DASH
    text = signed(figure, 2)
    return f"{text[0]}${text[1:]}" if not text[0].isdigit() else f"${text}"


@register.filter
def qty(value: object) -> str:
    """A quantity with every digit it has and no zeros behind them: 0.00300000 is "0.003"."""
    figure = exact(value)
    return DASH if figure is None else plain(figure)


@register.filter
def price(value: object) -> str:
    """A price with every digit it has, and two places at least: 3121.5 is "3,121.50"."""
    figure = exact(value)
    if figure is None:
        return DASH
    text = plain(figure)
    places = len(text.partition(".")[2])
    return text if places >= 2 else plain(figure, 2)


@register.filter
def price_like(value: object, other: object) -> str:
    """A price with as many places as another one has, since an average has more than anybody reads."""
    figure, model = exact(value), exact(other)
    if figure is None or model is None:
        return price(figure)
    return plain(figure, max(len(plain(model).partition(".")[2]), 2))


@register.filter
def difference(mine: object, theirs: object) -> Decimal | None:
    """How many percent my price lies above theirs; None when either is not known."""
    own, other = exact(mine), exact(theirs)
    return None if own is None or not other else (own - other) * 100 / other


@register.filter
def bps(value: object) -> str:
    """Basis points with their sign: "+1.2 bps"."""
    figure = exact(value)
    return DASH if figure is None else f"{signed(figure, 1)} bps"


@register.filter
def lag(milliseconds: object) -> str:
    """How long a copy took: "44 ms", from ten seconds on "12 s"."""
    figure = exact(milliseconds)
    if figure is None:
        return DASH
    return f"{plain(figure, 0)} ms" if figure < 10_000 else f"{plain(figure / 1000, 0)} s"


@register.filter
def tone(value: object) -> str:
    """The colour class of a result: gain, loss, or none at zero and when it is not known."""
    figure = exact(value)
    if not figure:
        return ""
    return "text-gain" if figure > 0 else "text-loss"


@register.filter
def why(text: object, reason: str) -> SafeString | object:
    """Replaces the dash of an unknown figure by one that says why it is not known; other text passes unchanged."""
    if text not in (DASH, None, ""):
        return text
    return format_html(
        '<span class="unknown" title="{}"><span aria-hidden="true">{}</span><span class="sr-only">{}</span></span>',
        *(reason, DASH, reason),
    )


def age(moment: datetime) -> str:
    """How long ago in one unit: "12 s ago", "3 min ago"; "just now" under a second."""
    seconds = int((wall.now() - moment) / timedelta(seconds=1))
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"


def stamped(moment: datetime, text: str) -> SafeString:
    """Text for a moment, with the exact moment behind it."""
    local = timezone.localtime(moment)
    full = f"{local.day} {local:%b %Y, %H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), full, text)


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """A moment as its age."""
    return stamped(moment, age(moment)) if moment else DASH


@register.filter
def clock(moment: datetime | None) -> SafeString | str:
    """A moment as the time of day, and with its date when that is another day: "14:03:05", "19 Nov 14:03"."""
    if not moment:
        return DASH
    local, today = timezone.localtime(moment), timezone.localtime(wall.now()).date()
    return stamped(moment, f"{local:%H:%M:%S}" if local.date() == today else f"{local.day} {local:%b %H:%M}")


@register.filter
def day(moment: datetime | None) -> SafeString | str:
    """A moment as its date: "19 Nov 2026"."""
    if not moment:
        return DASH
    local = timezone.localtime(moment)
    return stamped(moment, f"{local.day} {local:%b %Y}")


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite by its file name in assets/icons; always beside a word or in something labelled."""
    return format_html('<svg class="ic" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name)


@register.simple_tag
def ticks(risk: int | None) -> SafeString | str:
    """Risk from 1 to 10 as ten ticks; nothing when it is not known."""
    return "" if risk is None else pictures.risk_ticks(int(risk))


@register.simple_tag
def sparkline(values: Iterable[object] | None, label: str = "", tail: int = 30) -> SafeString:
    """A small line of a history, its last `tail` steps in ink."""
    known = [figure for figure in map(exact, values or ()) if figure is not None]
    return pictures.sparkline(known, label=label, tail=tail)


@register.simple_tag
def bar(part: object, whole: object, label: str, tone: str = "") -> SafeString | str:
    """How much of a whole is used, as a bar; nothing when either is not known."""
    some, all_of_it = exact(part), exact(whole)
    if some is None or all_of_it is None:
        return ""
    return pictures.share_bar(some, all_of_it, label=label, tone=tone)


@register.simple_tag
def ladder(rungs: Iterable[Rung], limit: object) -> SafeString | str:
    """A martingale's steps as columns against the amount that may be lost."""
    most, steps = exact(limit), [(rung.amount, rung.together) for rung in rungs]
    if most is None or not steps:
        return ""
    label = f"{len(steps)} steps, the last one {usd(steps[-1][0])}, together {usd(steps[-1][1])} of {usd(most)}"
    return pictures.ladder(steps, limit=most, label=label)
