"""Small pictures drawn on the server as SVG: sizes and points are attributes, so no style is ever needed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from obscura.web.numbers import percent_of, plain, rounded

WIDTH, HEIGHT, PAD = 240, 52, 4
RISK_TICKS, HIGH_RISK = 10, 7
LADDER_HEIGHT = 60

Point = tuple[Decimal, Decimal]


def line_points(values: Sequence[Decimal]) -> list[Point]:
    """The corners of a line over the values, left to right, the greatest value on top."""
    low, high = min(values), max(values)
    span = (high - low) or Decimal(1)
    steps = len(values) - 1
    scale = (HEIGHT - 2 * PAD) / span
    return [
        (rounded(Decimal(WIDTH * index) / steps, 1), rounded(HEIGHT - PAD - (value - low) * scale, 1))
        for index, value in enumerate(values)
    ]


def points_text(points: Sequence[Point]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{x},{y}" for x, y in points)


def sparkline(values: Sequence[Decimal], *, label: str, tail: int) -> SafeString:
    """A line whose last `tail` steps (the days the figure beside it speaks of) are ink, the steps before them quiet.

    Empty for fewer than two values: one point is no history.
    """
    if len(values) < 2:
        return SafeString("")
    points = line_points(values)
    cut = max(len(points) - 1 - tail, 0)
    past, recent = points[: cut + 1], points[cut:]
    start_x, start_y = points[cut]
    area = f"{start_x},{start_y} {points_text(recent)} {WIDTH},{start_y}"
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline class="spark-past" points="{}" vector-effect="non-scaling-stroke"/>'
        '<line class="spark-base" x1="{}" x2="{}" y1="{}" y2="{}" vector-effect="non-scaling-stroke"/>'
        '<polygon class="spark-area" points="{}"/>'
        '<polyline class="spark-line" points="{}" vector-effect="non-scaling-stroke"/></svg>',
        *(WIDTH, HEIGHT, label, points_text(past)),
        *(start_x, WIDTH, start_y, start_y, area, points_text(recent)),
    )


def risk_ticks(risk: int) -> SafeString:
    """Ten ticks, as many filled as the risk says. The figure stands beside them, so readers skip the picture."""
    ticks = format_html_join(
        "",
        '<rect class="{}" x="{}" width="3.4" height="10" rx="1"/>',
        (("on" if tick < risk else "", tick * 5) for tick in range(RISK_TICKS)),
    )
    high = " risk-high" if risk >= HIGH_RISK else ""
    return format_html('<svg class="risk{}" viewBox="0 0 49 10" aria-hidden="true">{}</svg>', high, ticks)


def share_bar(part: Decimal, whole: Decimal, *, label: str, tone: str) -> SafeString:
    """A bar filled to part of the whole; `tone` is "" or "loss". Readers hear the label and the percentage."""
    filled = plain(rounded(percent_of(part, whole), 1))
    return format_html(
        '<svg class="share{}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}: {}%">'
        '<rect class="bg" width="100" height="6"/><rect class="fill" width="{}" height="6"/></svg>',
        *(f" share-{tone}" if tone else "", label, filled, filled),
    )


def ladder(amounts: Sequence[tuple[Decimal, Decimal]], *, limit: Decimal, label: str) -> SafeString:
    """The steps of a martingale as columns: what each copy costs in ink, what all so far come to behind it.

    :param amounts: of each step, the copy and the sum; a sum above `limit`, the dashed line, is drawn as a loss
    """
    top = max([limit, *(together for _, together in amounts)]) or Decimal(1)
    columns = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="16" height="{}"/>'
        '<rect class="step" x="{}" y="{}" width="16" height="{}"/>',
        (
            ("sum over" if together > limit else "sum", 4 + 24 * number, *_column(together, top))
            + (4 + 24 * number, *_column(amount, top))
            for number, (amount, together) in enumerate(amounts)
        ),
    )
    line = rounded(LADDER_HEIGHT - LADDER_HEIGHT * limit / top, 1)
    width = 24 * len(amounts)
    return format_html(
        '<svg class="ladder" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}'
        '<line x1="0" x2="{}" y1="{}" y2="{}" vector-effect="non-scaling-stroke"/></svg>',
        *(width, LADDER_HEIGHT, label, columns, width, line, line),
    )


def _column(value: Decimal, top: Decimal) -> tuple[Decimal, Decimal]:
    height = rounded(LADDER_HEIGHT * value / top, 1)
    return LADDER_HEIGHT - height, height
