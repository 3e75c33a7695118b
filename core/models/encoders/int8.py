"""Which products of a BERT encoder run in 8 bits, and over which ranges. Knows arrays and files of peaks.

Peaks are the largest magnitudes of each input channel of a product. `python -m core.models.encoders.int8` measures
those of the embedded encoder anew: over docstrings of Python's standard library, single lines of them, and tokens drawn
at random. An encoder that was tuned here has its own, of the pool's texts.
"""

import ast
import json
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.models.encoders.bert_graph import ATTENTION, PARTS, Inlet, Weights, load_openvino

Peaks = Mapping[str, npt.NDArray[np.float32]]

PEAKS = Path(__file__).with_name("encoder_peaks.npz")
"""of the embedded encoder"""

OWN_PEAKS = "peaks.safetensors"
"""in the folder of a tuned encoder: it runs as a graph as well"""

POOL_TEXTS, RANDOM_TEXTS = 300, 100
"""that the peaks of a tuned encoder are measured over"""

STRENGTH = 0.75
"""share of the unevenness of channels that is moved from what flows to the weights: measured best of 0.25 to 1"""

GELU_MINIMUM = 0.17
"""no output of GELU is below -0.17, so that nearly all of the steps can be spent above zero"""

FIRST_WIDE_IN_8_BITS = 3
"""the wide products of the layers before it carry one huge channel: they made half of the error of all products"""


def read_peaks(folder: Path | None = None) -> Peaks:
    """Name of a product to (channels,) largest magnitudes; only of products that are to run in 8 bits. folder: of a
    tuned encoder; None: the embedded one's."""
    if folder is not None:
        from safetensors.numpy import load_file

        return {name: values.astype(np.float32) for name, values in load_file(folder / OWN_PEAKS).items()}
    with np.load(PEAKS) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def write_peaks(folder: Path, texts: Sequence[str], rng: np.random.Generator) -> bool:
    """Measures those of the encoder in this folder over some of the texts. False, and no file, where it is none that
    `bert_graph` can build."""
    from safetensors.numpy import save_file

    if not _is_bert(folder):
        return False
    chosen = [texts[row] for row in rng.permutation(len(texts))[:POOL_TEXTS]]
    peaks = measure_peaks(folder, _tuned_token_lists(folder, chosen, rng))
    save_file(peaks, folder / OWN_PEAKS)
    return True


def _is_bert(folder: Path) -> bool:
    """BERT with absolute positions and GELU, of which the mean of all tokens is taken, as sentence-transformers saves
    it."""
    try:
        config, modules = (_read(folder / name) for name in ("config.json", "modules.json"))
        pooling = [_read(folder / one["path"] / "config.json") for one in modules if one["type"].endswith("Pooling")]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    kinds = [one["type"].rpartition(".")[2] for one in modules]
    plain = config.get("model_type") == "bert" and config.get("hidden_act") == "gelu"
    absolute = config.get("position_embedding_type", "absolute") == "absolute"
    ways = {
        name for one in pooling for name, value in one.items() if name.startswith("pooling_mode_") and value is True
    }
    mean = ways == {"pooling_mode_mean_tokens"} or [one.get("pooling_mode") for one in pooling] == ["mean"]
    whole = (folder / "tokenizer.json").is_file() and (folder / "model.safetensors").is_file()
    return plain and absolute and mean and whole and kinds[:2] == ["Transformer", "Pooling"] and len(kinds) <= 3


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def find_inlets(weights: Weights, peaks: Peaks) -> dict[str, Inlet]:
    """One inlet for each product that has peaks."""
    return {name: _find_inlet(weights, name, peak) for name, peak in peaks.items()}


def _find_inlet(weights: Weights, name: str, peak: npt.NDArray[np.float32]) -> Inlet:
    products = [name + part for part in PARTS] if name.endswith(ATTENTION) else [name]
    strongest = np.max([np.abs(weights[product + ".weight"]).max(axis=0) for product in products], axis=0)
    smooth = np.maximum(peak, 1e-3) ** STRENGTH / np.maximum(strongest, 1e-3) ** (1 - STRENGTH)
    smooth = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
    high = float((peak / smooth).max())
    low = float((np.minimum(peak, GELU_MINIMUM) / smooth).max()) if _is_wide(name) else high
    step = (high + low) / 255
    zero = round(low / step)  # zero falls on a step, so that padding and zero activations stay exact
    return Inlet(smooth, -zero * step, (255 - zero) * step)


def _is_wide(name: str) -> bool:
    return name.endswith(".output.dense") and "attention" not in name


def _layer(name: str) -> int:
    return int(name.split(".")[2])


def measure_peaks(folder: Path, token_lists: Iterable[list[int]]) -> dict[str, npt.NDArray[np.float16]]:
    """Runs the probe over the texts, one by one. folder: of the encoder."""
    from safetensors.numpy import load_file

    openvino = load_openvino()
    from core.models.encoders.bert_graph import build_probe

    config = _read(folder / "config.json")
    model, names = build_probe(load_file(folder / "model.safetensors"), config, longest_of(folder))
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    peaks: dict[str, Any] = dict.fromkeys(names, 0.0)
    for ids in token_lists:
        outputs = request.infer([np.array([ids], np.int32), np.ones((1, len(ids)), np.float32)])
        for index, name in enumerate(names, start=1):
            peaks[name] = np.maximum(peaks[name], np.abs(outputs[index][0]).max(axis=0))
    retained = [name for name in names if not _is_wide(name) or _layer(name) >= FIRST_WIDE_IN_8_BITS]
    return {name: peaks[name].astype(np.float16) for name in retained}


def longest_of(folder: Path) -> int:
    """Tokens of a text that the encoder in this folder reads. Newer sentence-transformers leave it to the tokenizer."""
    own = _read(folder / "sentence_bert_config.json").get("max_seq_length")
    longest = int(own or _read(folder / "tokenizer_config.json")["model_max_length"])
    return min(longest, int(_read(folder / "config.json")["max_position_embeddings"]))


def _tuned_token_lists(folder: Path, texts: Sequence[str], rng: np.random.Generator) -> Iterator[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest_of(folder))
    yield from (encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts)))
    first, *_, last = tokenizer.encode("").ids
    for length in rng.integers(1, min(40, longest_of(folder) - 1), RANDOM_TEXTS):
        yield [first, *rng.integers(0, tokenizer.get_vocab_size(), length).tolist(), last]


def _embedded_token_lists(folder: Path, vocabulary: int) -> Iterator[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    rng = np.random.default_rng(0)
    whole = _docstrings(Path(sysconfig.get_paths()["stdlib"]))
    lines = [line for text in whole for line in text.splitlines() if line.strip()]
    for texts, count in ((whole, 300), (lines, 600)):
        for row in rng.permutation(len(texts))[:count]:
            yield tokenizer.encode(texts[row]).ids
    first, last = tokenizer.encode("").ids
    for length in rng.integers(1, 40, 150):
        yield [first, *rng.integers(1000, vocabulary, length).tolist(), last]


def _docstrings(library: Path) -> list[str]:
    nodes = (node for path in sorted(library.glob("*.py")) for node in ast.walk(ast.parse(path.read_bytes())))
    documented = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return [text for node in documented if (text := ast.get_docstring(node))]


if __name__ == "__main__":
    from core.models.encoders.encoder import embedded_folder

    packaged = embedded_folder()
    lists = _embedded_token_lists(packaged, _read(packaged / "config.json")["vocab_size"])
    np.savez_compressed(PEAKS, **measure_peaks(packaged, lists))  # type: ignore[arg-type]
