"""Access codes: making one, keeping only its salted hash, checking one. Knows no person and no request."""

import hashlib
import hmac
import secrets

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""without those that are taken for each other"""
GROUPS, GROUP = 4, 4  # 31 ** 16: 79 bits
COST, BLOCK, PARALLEL = 2**14, 8, 1
"""scrypt: 16 MB and about 50 ms for each look"""
SALT_BYTES = 16


def make_code() -> str:
    """Four groups of four letters and digits, to be read out or typed."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def normal(code: str) -> str:
    """The code in the form that is compared: case, spaces and hyphens make no difference."""
    return "".join(code.split()).replace("-", "").casefold()


def hash_code(code: str, salt: bytes | None = None) -> str:
    """`scrypt:SALT:HASH` in hexadecimal. salt: SALT_BYTES long; a random one if none is given."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    return f"scrypt:{salt.hex()}:{_hashed(code, salt).hex()}"


def fits(code: str, stored: str) -> bool:
    """Whether `stored` is the hash of this code. Takes as long for '' (no person), which nothing fits."""
    _, salt, digest = stored.split(":") if stored else ("", "00" * SALT_BYTES, "")
    supplied = _hashed(code, bytes.fromhex(salt)).hex()
    return hmac.compare_digest(supplied, digest)


def _hashed(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(normal(code).encode("utf-8", "replace"), salt=salt, n=COST, r=BLOCK, p=PARALLEL)
