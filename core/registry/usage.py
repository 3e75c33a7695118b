"""The lines of Python that use an exported model, as its card shows them. Runs none of them."""

from collections.abc import Mapping

ABOUT = "rondo.json"
"""labels, temperature and where the encoder is, beside `head.safetensors`"""

_ENCODER = """
encoder = SentenceTransformer(folder if about["encoder"] == "." else about["encoder"])


def vectors_of(texts):
    return encoder.encode(texts, normalize_embeddings=True)
"""

_CLASSIFIER = """
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).eval()
layer, seen = model.get_submodule(about["layer"]), []
layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # what flows into the last layer


def vectors_of(texts):
    seen.clear()
    with torch.inference_mode():
        model(**tokenizer(texts, truncation=True, max_length=about["longest"], padding=True, return_tensors="pt"))
    return (seen[0] / seen[0].norm(dim=1, keepdim=True)).numpy()
"""

_PREDICT = """

def predict(texts):
    logits = (vectors_of(texts) @ head["weights"].T + head["bias"]) / about["temperature"]
    if about["multi"]:
        return 1 / (1 + np.exp(-logits))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


texts = ["Write a text of yours here."]
for text, row in zip(texts, predict(texts)):
    found = np.flatnonzero(row >= 0.5) if about["multi"] else [row.argmax()]
    print([(about["labels"][i]["name"], round(float(row[i]), 3)) for i in found], text)
"""

_SETFIT = """
from setfit import SetFitModel

{folder_code}
model = SetFitModel.from_pretrained(folder)


def predict(texts):
    return model.predict_proba(texts, as_numpy=True)


texts = ["Write a text of yours here."]
for text, label in zip(texts, model.predict(texts)):
    print(label, text)
"""

_OWN = """
import numpy as np

import rondo

{folder_code}
model = rondo.load(folder)


def predict(texts):
    rows = [dict(zip(one.labels, one.scores)) for one in model.predict(texts, top_k=len(model.labels))]
    return np.array([[row.get(label, np.nan) for label in model.labels] for row in rows])


texts = ["Write a text of yours here."]
for text, one in zip(texts, model.predict(texts)):
    print(one.predicted, text)
"""

_FORMS = {
    "encoder": ("", "from sentence_transformers import SentenceTransformer\n", _ENCODER),
    "classifier": (
        "import torch\n",
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n",
        _CLASSIFIER,
    ),
}
"""what makes vectors: sentence-transformers, or the state before the last layer of a transformers classifier"""

_NEEDED = {
    "encoder": ("safetensors", "sentence-transformers", "transformers", "torch"),
    "classifier": ("safetensors", "transformers", "torch"),
    "setfit": ("setfit", "sentence-transformers", "transformers", "torch"),
}

BUNDLED_FORM = "rondo"
"""of a model whose encoder comes with Rondo in a form of its own: no other library loads it"""

LIBRARIES = {
    "encoder": "sentence-transformers",
    "classifier": "transformers",
    "setfit": "setfit",
    BUNDLED_FORM: "rondo",
}
"""the one that the Hub is told, by form"""

PICKLE = (
    "`model_head.pkl` is a pickle, because SetFit reads nothing else: whoever loads one runs what is in it, so load it "
    "only from people you trust. Rondo writes it for SetFit and never reads it; `head.safetensors` holds the same."
)


def usage(form: str, folder_code: str, versions: Mapping[str, str]) -> list[str]:
    """Lines of Markdown. form: a key of LIBRARIES. folder_code: Python that makes `folder`, the folder with the files.
    versions: of the libraries that it was made with; an earlier one may not read what a later one wrote."""
    if form == BUNDLED_FORM:
        own = _OWN.format(folder_code=folder_code).strip().splitlines()
        made = f"Its encoder comes with Rondo, and no other library loads it. Made with rondo {versions['rondo']}:"
        return [made, "", "```python", *own, "```"]
    names = [name for name in ("numpy", *_NEEDED[form]) if name in versions]
    packages = " ".join(f"'{name}>={versions[name].partition('+')[0]}'" for name in names)
    known = ", ".join(f"{name} {versions[name]}" for name in names)
    code = _SETFIT.format(folder_code=folder_code) if form == "setfit" else _plain_code(form, folder_code)
    return [
        f"Made with {known}; these load it, and earlier ones may not. `pip install {packages}`, then:",
        *("", "```python", *code.strip().splitlines(), "```"),
        *(("", PICKLE) if form == "setfit" else ()),
    ]


def _plain_code(form: str, folder_code: str) -> str:
    torch, library, vectors = _FORMS[form]
    start = f"""import json

import numpy as np
{torch}from safetensors.numpy import load_file
{library}
{folder_code}
about = json.load(open(f"{{folder}}/{ABOUT}", encoding="utf-8"))
head = load_file(f"{{folder}}/head.safetensors")
"""
    return start + vectors.lstrip() + _PREDICT
