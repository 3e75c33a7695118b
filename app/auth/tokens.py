"""Who a request comes from: a text and an expiry, signed with a key. Knows nothing of pages, records or people."""

import base64
import binascii
import hashlib
import hmac

VALID_SECONDS = 12 * 3600


def sign(text: str, key: bytes, now: float, seconds: int = VALID_SECONDS) -> str:
    """A token for this text (an annotator's name, say), valid for so many seconds. now: seconds since 1970."""
    claim = f"{int(now) + seconds}:{text}".encode()
    return f"{_text(claim)}.{_text(_seal(claim, key))}"


def verify(token: str, key: bytes, now: float) -> str | None:
    """The text, or None where the token is forged, broken or too old."""
    parts = _parts(token)
    if parts is None:
        return None
    claim, seal, expiry, text = parts
    genuine = hmac.compare_digest(seal, _seal(claim, key))
    return text if genuine and expiry > now else None


def claimed(token: str) -> str | None:
    """The text as the token has it, to find the key by. Believe it only where `verify` does."""
    parts = _parts(token)
    return parts[3] if parts else None


def key_for(secret: bytes, purpose: str, stamp: str) -> bytes:
    """A key that signs for one purpose and one state of a person; another stamp invalidates what it signed."""
    return hmac.new(secret, f"{purpose}:{stamp}".encode(), hashlib.sha256).digest()


def project_id(secret: bytes) -> str:
    """Names the project in a browser's storage, where several projects may take turns at one address."""
    return hmac.new(secret, b"project", hashlib.sha256).hexdigest()[:12]


def _parts(token: str) -> tuple[bytes, bytes, int, str] | None:
    try:
        claim, seal = (base64.b64decode(part.encode("ascii"), b"-_", validate=True) for part in token.split("."))
        expiry, text = claim.decode().split(":", 1)
        return claim, seal, int(expiry), text
    except (ValueError, binascii.Error):
        return None


def _seal(claim: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"annotator:" + claim, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
