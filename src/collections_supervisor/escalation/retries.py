"""When a delivery that failed is tried again. Pure."""

FIRST = 5.0
LONGEST = 900.0
SPREAD = 0.2
_DOUBLINGS = 16


def retry_delay(attempts: int, jitter: float, asked: float = 0.0) -> float:
    """Seconds until the next try after so many failed ones: 5, 10, 20 … 900, each spread by up to a fifth either way.

    `jitter` is a random number in [0, 1). It is not sooner than the other side `asked` for, up to 900 seconds.
    """
    doubled = FIRST * 2.0 ** min(max(attempts, 1) - 1, _DOUBLINGS)
    return max(min(LONGEST, doubled) * (1 - SPREAD + 2 * SPREAD * jitter), min(LONGEST, asked))
