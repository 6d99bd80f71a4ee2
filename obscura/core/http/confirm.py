"""Asked twice: an action of an admin site that is done when a member of staff has said so on a page of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse

FIELD = "confirmed"

HALTS = {
    False: "Nothing more is opened from this moment on. What is open stays, and closes with its leads.",
    True: "Nothing more is opened from this moment on, and everything that is open is closed at the market's price.",
}
"""What a kill switch does, without and with closing."""


def asks(
    request: HttpRequest, *, admin: Any, title: str, words: str, subjects: Iterable[object] = ()
) -> TemplateResponse | None:
    """The page that asks, or None where it was answered with yes. What was chosen is chosen again by the answer.

    :param admin: the ModelAdmin that acts
    :param words: what will happen
    :param subjects: to whom
    """
    if request.method == "POST" and request.POST.get(FIELD) == "yes":
        return None
    names = ("action", "select_across", "_selected_action")
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "words": words,
        "subjects": [str(one) for one in subjects],
        "fields": [(name, value) for name in names for value in request.POST.getlist(name)],
        "opts": admin.opts,
    }
    return TemplateResponse(request, "admin/obscura/confirm.html", context)
