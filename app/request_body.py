"""What a request carries, read no further than it may be long. Knows no shape."""

from starlette.requests import Request


async def read_at_most(request: Request, most: int) -> bytes | None:
    """None where there are more bytes than that, before they are all in memory. Raises ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
