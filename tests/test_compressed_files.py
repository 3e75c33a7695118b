"""Streamlit's scripts and styles come compressed, whole, and only where the browser takes that."""

import re

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_assets_routes

from app.compressed_files import CompressedFiles

PLAIN = {"accept-encoding": "identity"}


def browser() -> TestClient:
    """Of Streamlit's own files, behind what compresses them."""
    routes = create_streamlit_static_assets_routes("")
    return TestClient(Starlette(routes=routes, middleware=[Middleware(CompressedFiles)]))


def test_every_file_that_the_page_names_comes_whole_with_a_third_of_the_bytes() -> None:
    page = browser().get("/").text
    paths = re.findall(r'(?:src|href)="\.(/static/[^"]+\.(?:js|css))"', page)
    assert paths
    sent = whole = 0
    for path in paths:
        packed, plain = browser().get(path), browser().get(path, headers=PLAIN)
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content
        assert packed.headers["cache-control"] == plain.headers["cache-control"]
        assert packed.headers["content-type"].split(";")[0] == plain.headers["content-type"].split(";")[0]
        sent, whole = sent + int(packed.headers["content-length"]), whole + len(plain.content)
    assert sent < 0.4 * whole


def test_nothing_beside_those_files_is_read() -> None:
    for path in ("/static/js/../../../server.py", "/static/js/none.js", "/static/js//index.js"):
        assert "content-encoding" not in browser().get(path).headers
