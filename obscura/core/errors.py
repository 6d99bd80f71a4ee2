"""One error shape for the whole product: a code for machines, words for people, a remedy for both."""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """An anticipated problem. It becomes an answer, a state or a metric, never a traceback.

    :param code: stable machine name, e.g. ``pool_unknown``
    :param message: what happened, one sentence
    :param remedy: what to do next, one sentence
    """

    code = "problem"
    http_status = 400
    retryable = False
    remedy = "Check the request and try again."

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        remedy: str | None = None,
        http_status: int | None = None,
        retryable: bool | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        self.code = code or self.code
        self.message = message or (self.__doc__ or self.code).strip().splitlines()[0]
        self.remedy = remedy or self.remedy
        self.http_status = http_status or self.http_status
        self.retryable = self.retryable if retryable is None else retryable
        self.details = dict(details or {})
        super().__init__(self.message)

    def as_dict(self) -> dict[str, object]:
        """The body of an error answer: ``{"error": {code, message, remedy, details}}``."""
        body: dict[str, object] = {"code": self.code, "message": self.message, "remedy": self.remedy}
        if self.details:
            body["details"] = self.details
        return {"error": body}


class NotFound(Problem):
    """Nothing of that name is here."""

    code, http_status = "not_found", 404
    remedy = "Check the id. What belongs to another tenant or user answers like what does not exist."


class Invalid(Problem):
    """The request is not valid."""

    code, http_status = "invalid", 400
    remedy = "Correct the named fields and send it again."


class Forbidden(Problem):
    """This is not allowed for you."""

    code, http_status = "forbidden", 403
    remedy = "Ask an administrator of your tenant for the role or scope that is named."


class Conflict(Problem):
    """The request contradicts what is already there."""

    code, http_status = "conflict", 409
    remedy = "Read the present state, then decide again."


class Unavailable(Problem):
    """A part that is needed does not answer right now."""

    code, http_status, retryable = "unavailable", 503, True
    remedy = "Try again in a moment with growing pauses. Nothing was lost."
