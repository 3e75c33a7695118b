"""Files in an object store that speaks S3's protocol: a real server of it on this machine."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.command_line import rondo


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The libraries are loaded here: collecting them would take every process a second."""
    server = pytest.importorskip("moto.server", reason="S3 needs a server to speak to: pip install 'rondo[dev]'")
    pytest.importorskip("s3fs", reason="s3:// is read by s3fs: pip install s3fs")
    store = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    _, port = store.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("mails")
    yield "s3://mails"
    store.stop()


def test_import_predict_and_export_go_to_an_object_store(bucket: str, tmp_path: Path) -> None:
    store = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    store.pipe("mails/in/new.csv", b"id,text,label\n1,heavy rain and a storm,weather\n2,bread with cheese,food\n")
    columns = ("--text", "text", "--id", "id")
    home = ("--project", tmp_path / "p")
    rondo("init", tmp_path / "p", "--labels", "weather,food")
    rondo(*home, "import", f"{bucket}/in/new.csv", *columns, "--label", "label")
    shown = rondo(*home, "export", "--format", "csv", "--out", f"{bucket}/out/labels.csv", "--card")
    assert f"Wrote 2 rows to {bucket}/out/labels.csv." in shown
    assert b"bread with cheese,food" in store.cat_file("mails/out/labels.csv")
    assert {one.rpartition("/")[2] for one in store.ls("mails/out")} == {
        *("labels.csv", "labels.csv.card.md", "labels.csv.card.json")
    }
    words = ("predict", "baseline", f"{bucket}/in/new.csv", "--out", f"{bucket}/out/said.csv", *columns)
    assert f"wrote {bucket}/out/said.csv" in rondo(*home, *words)
    assert store.cat_file("mails/out/said.csv").startswith(b"id,text,predicted,label_1,score_1")
    complaint = rondo(*home, "export", "--format", "csv", "--out", "https://example.org/x.csv", code=2)
    assert "Nothing is written to https://" in complaint
