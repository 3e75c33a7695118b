"""Labels as a language model is asked for them: by their names, of which JSON holds one or several."""

import json
from collections.abc import Mapping
from typing import Any

from core.config.taxonomy import PATH
from core.tasks.language_form import Alternatives, LanguageForm, Setup


def schema(setup: Setup) -> Mapping[str, object]:
    """An object with `label`, or with the list `labels` where several may hold, or none."""
    name = {"type": "string", "enum": list(_ids(setup))}
    several = {"type": "array", "items": name, "maxItems": len(_ids(setup))}
    field, kind = ("labels", several) if setup["multi"] else ("label", name)
    return {"type": "object", "properties": {field: kind}, "required": [field], "additionalProperties": False}


def instructions(setup: Setup, guidelines: str) -> str:
    """What to do, the labels with their descriptions, and the project's guidelines."""
    if setup["multi"]:
        task, form = "Say which of these labels fit the text. Several may fit, or none.", '{"labels": ["..."]}'
    else:
        task, form = "Say which one of these labels fits the text best.", '{"label": "..."}'
    rules = ["", "Guidelines:", guidelines.strip()] if guidelines.strip() else []
    return "\n".join([task, "", "Labels:", *label_lines(setup), *rules, "", f"Answer in JSON: {form}"])


def label_lines(setup: Setup) -> list[str]:
    """Every label with what it says of itself."""
    labels = setup["labels"] if isinstance(setup["labels"], list) else []
    return [line for one in labels for line in _lines(one)]


def _lines(label: Mapping[str, Any]) -> list[str]:
    """Its name, where it stands, what it means, and texts that have it or only look so."""
    name, path, description = label["name"], label.get("path"), label["description"]
    lines = [
        f"- {name}{f' (under {path.removesuffix(PATH + name)})' if path else ''}{description and ': '}{description}"
    ]
    for field, words in (("examples", "such as"), ("counter_examples", "but not")):
        lines += [f"  {words}: {json.dumps(one, ensure_ascii=False)}" for one in label.get(field, ())]
    return lines


def value(answer: object, setup: Setup) -> object:
    """None for an answer with a label that is retired since."""
    names = {label: name for name, label in _ids(setup).items()}
    labels = list(answer) if isinstance(answer, list | tuple) else []
    if any(label not in names for label in labels) or (not setup["multi"] and len(labels) != 1):
        return None
    written = [names[label] for label in labels]
    return {"labels": written} if setup["multi"] else {"label": written[0]}


def read(value: object, setup: Setup) -> list[str]:
    """Ids, each once, sorted."""
    fields = value if isinstance(value, dict) else {}
    names = fields["labels"] if setup["multi"] else [fields["label"]]
    ids = _ids(setup)
    return sorted({ids[name] for name in names})


def alternatives(answer: object, probability: float | None) -> Alternatives:
    """Each of its labels, with the probability of the whole answer."""
    return [(label, probability) for label in (answer if isinstance(answer, list | tuple) else ())]


def _ids(setup: Setup) -> dict[str, str]:
    """name -> id, in their order."""
    labels = setup["labels"] if isinstance(setup["labels"], list) else []
    return {label["name"]: label["id"] for label in labels}


LABEL_PROMPT = LanguageForm(schema, instructions, value, read, alternatives)
