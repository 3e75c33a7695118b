"""Which products of the embedded encoder run in 8 bits, and over which ranges. Knows arrays and one file of peaks.

`python -m core.models.encoders.int8` measures the peaks anew: the largest magnitude of each input channel of a product,
over docstrings of Python's standard library, single lines of them, and tokens drawn at random.
"""

import ast
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.models.encoders.bert_graph import ATTENTION, PARTS, Inlet, Weights

Peaks = Mapping[str, npt.NDArray[np.float32]]

PEAKS = Path(__file__).with_name("encoder_peaks.npz")

STRENGTH = 0.75
"""share of the unevenness of channels that is moved from what flows to the weights: measured best of 0.25 to 1"""

GELU_MINIMUM = 0.17
"""no output of GELU is below -0.17, so that nearly all of the steps can be spent above zero"""

FIRST_WIDE_IN_8_BITS = 3
"""the wide products of the layers before it carry one huge channel: they made half of the error of all products"""


def read_peaks() -> Peaks:
    """Name of a product to (channels,) largest magnitudes; only of products that are to run in 8 bits."""
    with np.load(PEAKS) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


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


def measure_peaks() -> dict[str, npt.NDArray[np.float16]]:
    """Runs the probe over the texts; about a minute."""
    import json

    import openvino
    from safetensors.numpy import load_file

    from core.models.encoders.bert_graph import build_probe
    from core.models.encoders.encoder import embedded_folder

    folder = embedded_folder()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model, names = build_probe(load_file(folder / "model.safetensors"), config, 256)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    peaks: dict[str, Any] = dict.fromkeys(names, 0.0)
    for ids in _token_lists(folder, config["vocab_size"]):
        outputs = request.infer([np.array([ids], np.int32), np.ones((1, len(ids)), np.float32)])
        for index, name in enumerate(names, start=1):
            peaks[name] = np.maximum(peaks[name], np.abs(outputs[index][0]).max(axis=0))
    retained = [name for name in names if not _is_wide(name) or _layer(name) >= FIRST_WIDE_IN_8_BITS]
    return {name: peaks[name].astype(np.float16) for name in retained}


def _token_lists(folder: Path, vocabulary: int) -> Iterator[list[int]]:
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
    np.savez_compressed(PEAKS, **measure_peaks())  # type: ignore[arg-type]
