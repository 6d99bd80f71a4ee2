"""Pages by cursor: stable while rows are added, and as fast on the last page as on the first."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound as BadCursor
from rest_framework.pagination import CursorPagination

from obscura.core.errors import Invalid


class CursorInvalid(Invalid):
    """This cursor was not given out by us."""

    code = "cursor_invalid"
    remedy = "Follow `next` and `previous` as they are, or begin without a cursor."


class Pages(CursorPagination):
    """``?limit=50&cursor=...`` answers ``{"results": [...], "next": url|null, "previous": url|null}``."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-created_at"

    def decode_cursor(self, request: Any) -> Any:
        try:
            return super().decode_cursor(request)
        except BadCursor as error:
            raise CursorInvalid from error
