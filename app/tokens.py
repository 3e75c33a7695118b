"""Who a request comes from: an annotator's name and an expiry, signed. Knows nothing of pages, records or logins."""

import base64
import binascii
import hashlib
import hmac

VALID_SECONDS = 12 * 3600


def sign(annotator: str, secret: bytes, now: float) -> str:
    """A token for this annotator, valid for VALID_SECONDS. now: seconds since 1970."""
    claim = f"{int(now) + VALID_SECONDS}:{annotator}".encode()
    return f"{_text(claim)}.{_text(_seal(claim, secret))}"


def verify(token: str, secret: bytes, now: float) -> str | None:
    """The annotator, or None where the token is forged, broken or too old."""
    try:
        claim, seal = (base64.urlsafe_b64decode(part.encode("ascii")) for part in token.split("."))
        expiry, annotator = claim.decode().split(":", 1)
    except (ValueError, binascii.Error):
        return None
    genuine = hmac.compare_digest(seal, _seal(claim, secret))
    return annotator if genuine and int(expiry) > now else None


def project_id(secret: bytes) -> str:
    """Names the project in a browser's storage, where several projects may take turns at one address."""
    return hmac.new(secret, b"project", hashlib.sha256).hexdigest()[:12]


def _seal(claim: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"annotator:" + claim, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
