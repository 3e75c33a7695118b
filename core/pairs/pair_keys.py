"""By what two texts are known where no text may be kept."""

import hashlib

from core.data.ledger import normalise


def pair_key(left: str, right: str) -> str:
    """32 hexadecimal digits: the same for (a, b) as for (b, a), and for texts that a reader cannot tell apart."""
    both = sorted((normalise(left), normalise(right)))
    return hashlib.sha256("\0".join(both).encode()).hexdigest()[:32]
