"""What a leak looks like: secrets that bear a mark, and keys, in every form in which they may have been left somewhere.

A secret is drawn with two marks in it that stand nowhere else, so a whole crowd's secrets are looked for at once, and a
part of one is found as well. An occurrence is counted for each mark.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

MARK, KIND, LENGTH = 10, 4, 64
BLOCK = 1 << 12
PART = 1024 * BLOCK
"""What is too large to be looked at as a whole is given in parts of so many bytes, each with `Needles.overlap` bytes of
what follows."""
IPAD, OPAD = 0x36, 0x5C

_LETTERS = string.ascii_letters + string.digits

Found = tuple[str, str]
"""Name of what was found, and in which form."""


class Marks:
    """Two texts that stand at two places of every secret of a run, and nowhere else."""

    def __init__(self) -> None:
        self.common = _letters(MARK), _letters(MARK)

    def needles(self) -> list[bytes]:
        """What every secret of the run has in it, in some form."""
        return [one for mark in self.common for forms in forms_of_text(mark.encode()).values() for one in forms]


class Marked:
    """Draws texts of 64 letters and digits, as exchanges give them out, that have a run's marks in them.

    A few letters behind each mark tell this kind of secret from others.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = [mark + _letters(KIND) for mark in marks.common]

    def draw(self) -> str:
        """A fresh one."""
        rest = LENGTH // 2 - MARK - KIND
        return "".join(mark + _letters(rest) for mark in self._marks)

    def needles(self) -> dict[str, list[bytes]]:
        """The marks of this kind, by form."""
        return _joined(forms_of_text(mark.encode()) for mark in self._marks)


def forms_of_text(text: bytes) -> dict[str, list[bytes]]:
    """A part of a secret text in the forms it may take: as it is, in UTF-16, hex or base64, or in a block of HMAC."""
    return {
        "text": [text],
        "utf-16": [text.decode().encode("utf-16-le")],
        "hex": [text.hex().encode(), text.hex().upper().encode()],
        "base64": _base64(text),
        "hmac ipad": [bytes(byte ^ IPAD for byte in text)],
        "hmac opad": [bytes(byte ^ OPAD for byte in text)],
    }


def forms_of_key(key: bytes) -> dict[str, list[bytes]]:
    """A key of 32 bytes in the forms it may take."""
    return {
        "bytes": [key],
        "hex": [key.hex().encode(), key.hex().upper().encode()],
        "utf-16": [key.hex().encode("utf-16-le")],
        "base64": _base64(key),
    }


class Needles:
    """Counts what is looked for in memory, files and texts. What was looked through once is not again.

    :param wanted: patterns by name and form
    :param first: where none of these is, nothing is
    """

    def __init__(self, wanted: Mapping[str, Mapping[str, Sequence[bytes]]], *, first: Sequence[bytes]) -> None:
        self._first = tuple(first)
        self._wanted: dict[bytes, Found] = {
            pattern: (name, form)
            for name, forms in wanted.items()
            for form, patterns in forms.items()
            for pattern in patterns
        }
        self.overlap = max(map(len, self._wanted)) - 1
        self._known: dict[int, Counter[Found] | None] = {}

    def count(self, data: bytes, *, within: int | None = None) -> Counter[Found]:
        """How often each thing is in it. Equal blocks, as forks and files mapped twice have, cost nothing more.

        :param within: what begins in so many bytes is counted, a multiple of BLOCK; by default all
        """
        found: Counter[Found] = Counter()
        for at in range(0, len(data) if within is None else min(within, len(data)), BLOCK):
            block = data[at : at + BLOCK + self.overlap]
            mark = hash(block)
            if mark not in self._known:
                self._known[mark] = self._look(block) or None
            if known := self._known[mark]:
                found += known
        return found

    def _look(self, block: bytes) -> Counter[Found]:
        found: Counter[Found] = Counter()
        if not any(pattern in block for pattern in self._first):
            return found
        for pattern, name in self._wanted.items():
            at = block.find(pattern)
            while 0 <= at < BLOCK:  # what begins behind it is the next block's
                found[name] += 1
                at = block.find(pattern, at + 1)
        return found


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _base64(raw: bytes) -> list[bytes]:
    """What of these bytes is in base64 whatever stands around them: three alignments, in both alphabets."""
    found: dict[bytes, None] = {}
    for before in range(3):
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            whole = encode(bytes(before) + raw + bytes(3))
            found[whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]] = None
    return list(found)


def _joined(many: Iterable[Mapping[str, Sequence[bytes]]]) -> dict[str, list[bytes]]:
    joined: dict[str, list[bytes]] = {}
    for forms in many:
        for form, patterns in forms.items():
            joined.setdefault(form, []).extend(patterns)
    return joined
