"""Keccak-256 as Ethereum uses it (the padding from before FIPS 202). pycryptodome computes it where it is installed."""

from __future__ import annotations

_RATE = 136
_MASK = (1 << 64) - 1


def _round_constants() -> list[int]:
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _lanes() -> list[tuple[int, int]]:
    # The walk of rho and pi: where each lane goes next, and by how many bits it is turned on the way.
    steps, x, y = [], 1, 0
    for step in range(24):
        x, y = y, (2 * x + 3 * y) % 5
        steps.append((x + 5 * y, (step + 1) * (step + 2) // 2 % 64))
    return steps


_CONSTANTS, _LANES = _round_constants(), _lanes()


def _permuted(state: list[int]) -> None:
    for constant in _CONSTANTS:
        columns = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        for x in range(5):
            after = columns[(x + 1) % 5]
            change = columns[(x + 4) % 5] ^ ((after << 1 | after >> 63) & _MASK)
            for y in range(0, 25, 5):
                state[x + y] ^= change
        carried = state[1]
        for lane, turn in _LANES:
            carried, state[lane] = state[lane], (carried << turn | carried >> (64 - turn)) & _MASK
        for y in range(0, 25, 5):
            row = state[y : y + 5]
            for x in range(5):
                state[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        state[0] ^= constant


def plain(data: bytes) -> bytes:
    """The 32 bytes, computed here."""
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % _RATE)
    padded[-1] |= 0x80
    state = [0] * 25
    for block in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = block + 8 * lane
            state[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        _permuted(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


try:
    from Crypto.Hash import keccak as _compiled
except ImportError:
    keccak256 = plain
else:

    def keccak256(data: bytes) -> bytes:
        """The 32 bytes, by the compiled library: some hundred times faster than `plain`."""
        return _compiled.new(digest_bits=256, data=data).digest()
