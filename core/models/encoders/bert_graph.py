"""BERT with mean pooling as an OpenVINO graph, straight from named weights. Knows arrays, not texts or files.

Devlin et al. 2019, post-norm layers; Reimers and Gurevych 2019 for the pooling. Attention is written out, not as one
operator: the CPU plugin fuses it either way, and this way was as quick or quicker.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.NDArray[np.float32]]

ATTENTION, PARTS = "attention.self.", ("query", "key", "value")
"""three products with one input"""

FAR = -10_000.0
"""added to the scores of padding: far below any real score, and still finite in bfloat16"""


def load_openvino() -> Any:
    """The library without its telemetry, which sends an event over the network whenever it is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@dataclass(frozen=True)
class Inlet:
    """How numbers are made 8-bit before a product: divided by `smooth`, one per channel, then 256 steps low..high.

    The weights are multiplied by `smooth`, so that the product stays what it was. Xiao et al. 2023 (SmoothQuant).
    """

    smooth: npt.NDArray[np.float32]
    low: float
    high: float


def build_graph(weights: Weights, config: Mapping[str, Any], longest: int, inlets: Mapping[str, Inlet]) -> Any:
    """A model of tokens (n, width) int32 and mask (n, width) float32 to (n, hidden) unit rows; width <= longest.

    Products whose name is in `inlets` are computed in 8 bits where the processor can.
    """
    return _Bert(weights, config, inlets).model(longest)[0]


def build_probe(weights: Weights, config: Mapping[str, Any], longest: int) -> tuple[Any, list[str]]:
    """The same with the input of each product as further outputs, and the names of these."""
    openvino = load_openvino()
    model, entered = _Bert(weights, config, {}).model(longest)
    return openvino.Model([*model.outputs, *(node.output(0) for node in entered.values())], model.get_parameters()), [
        *entered
    ]


class _Bert:
    """Holds the weights while the graph is built."""

    def __init__(self, weights: Weights, config: Mapping[str, Any], inlets: Mapping[str, Inlet]) -> None:
        self.op, self.weights, self.inlets = load_openvino().opset13, weights, inlets
        self.entered: dict[str, Any] = {}
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.hidden, self.epsilon = config["hidden_size"], config["layer_norm_eps"]

    def model(self, longest: int) -> tuple[Any, dict[str, Any]]:
        openvino = load_openvino()
        tokens = self.op.parameter([-1, -1], np.int32, "tokens")
        mask = self.op.parameter([-1, -1], np.float32, "mask")
        hidden = self.embed(tokens, longest)
        bias = self.op.unsqueeze(
            self.op.multiply(self.op.subtract(self.one(1.0), mask), self.one(FAR)), self.axes(1, 2)
        )
        for layer in range(self.layers):
            hidden = self.layer(hidden, bias, f"encoder.layer.{layer}.")
        model = openvino.Model([self.op.result(self.pool(hidden, mask))], [tokens, mask], "encoder")
        return model, self.entered

    def embed(self, tokens: Any, longest: int) -> Any:
        words = self.op.constant(self.weights["embeddings.word_embeddings.weight"])
        # one text is one segment, so the segment's embedding is added to the position embeddings once
        positions = self.weights["embeddings.position_embeddings.weight"][:longest]
        positions = positions + self.weights["embeddings.token_type_embeddings.weight"][0]
        width = self.op.gather(self.op.shape_of(tokens), self.axes(1), self.axes(0))
        position = self.op.slice(self.op.constant(positions), self.axes(0), width, self.axes(1), self.axes(0))
        word = self.op.gather(words, tokens, self.axes(0))
        return self.norm(self.op.add(word, self.op.unsqueeze(position, self.axes(0))), "embeddings.LayerNorm")

    def layer(self, hidden: Any, bias: Any, name: str) -> Any:
        seen = self.product(self.attend(hidden, bias, name), name + "attention.output.dense")
        hidden = self.norm(self.op.add(seen, hidden), name + "attention.output.LayerNorm")
        wide = self.op.gelu(self.product(hidden, name + "intermediate.dense"), "ERF")
        return self.norm(self.op.add(self.product(wide, name + "output.dense"), hidden), name + "output.LayerNorm")

    def attend(self, hidden: Any, bias: Any, name: str) -> Any:
        entrance = name + ATTENTION
        entered = self.enter(hidden, entrance)
        query, key, value = (self.split(self.linear(entered, entrance + part, entrance)) for part in PARTS)
        scale = self.one((self.hidden // self.heads) ** -0.5)
        scores = self.op.multiply(self.op.matmul(query, key, False, True), scale)
        seen = self.op.matmul(self.op.softmax(self.op.add(scores, bias), -1), value, False, False)
        back = self.op.transpose(seen, self.axes(0, 2, 1, 3))
        return self.op.reshape(back, self.axes(0, 0, self.hidden), True)

    def split(self, hidden: Any) -> Any:
        """(n, width, hidden) to (n, heads, width, hidden / heads)."""
        shape = self.axes(0, 0, self.heads, self.hidden // self.heads)
        return self.op.transpose(self.op.reshape(hidden, shape, True), self.axes(0, 2, 1, 3))

    def product(self, hidden: Any, name: str) -> Any:
        return self.linear(self.enter(hidden, name), name, name)

    def enter(self, hidden: Any, entrance: str) -> Any:
        self.entered[entrance] = hidden
        if (inlet := self.inlets.get(entrance)) is None:
            return hidden
        even = self.op.multiply(hidden, self.op.constant(1 / inlet.smooth[None, None]))
        low, high = self.one(inlet.low), self.one(inlet.high)
        return self.op.fake_quantize(even, low, high, low, high, 256)

    def linear(self, hidden: Any, name: str, entrance: str) -> Any:
        product = self.op.matmul(hidden, self.matrix(name + ".weight", self.inlets.get(entrance)), False, True)
        return self.op.add(product, self.row(name + ".bias"))

    def matrix(self, name: str, inlet: Inlet | None) -> Any:
        """Weights (out, in); in 8 bits each row has a step of its own."""
        if inlet is None:
            return self.op.constant(self.weights[name])
        scaled = self.weights[name] * inlet.smooth[None]
        most = np.abs(scaled).max(axis=1, keepdims=True)
        low, high = self.op.constant(-most), self.op.constant(most)
        return self.op.fake_quantize(self.op.constant(scaled), low, high, low, high, 255)

    def norm(self, hidden: Any, name: str) -> Any:
        flat = self.op.mvn(hidden, self.axes(-1), True, self.epsilon, "INSIDE_SQRT")
        return self.op.add(self.op.multiply(flat, self.row(name + ".weight")), self.row(name + ".bias"))

    def pool(self, hidden: Any, mask: Any) -> Any:
        """Mean of the tokens that are not padding, scaled to length one."""
        real = self.op.unsqueeze(mask, self.axes(2))
        total = self.op.reduce_sum(self.op.multiply(hidden, real), self.axes(1), False)
        mean = self.op.divide(total, self.op.reduce_sum(real, self.axes(1), False))
        return self.op.normalize_l2(mean, self.axes(1), 1e-12, "max")

    def row(self, name: str) -> Any:
        return self.op.constant(self.weights[name][None, None])

    def one(self, value: float) -> Any:
        return self.op.constant(np.float32(value))

    def axes(self, *values: int) -> Any:
        return self.op.constant(np.array(values, np.int64))
