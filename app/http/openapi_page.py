"""The OpenAPI document as one page of HTML: no script, nothing from elsewhere. Knows no route of its own."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from core.training.trainers import TRAINERS, Parameter, range_of

Value = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } h2 code { font-size: 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { border: 1px solid #8888; border-radius: .4rem; padding: .8rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
"""
EXAMPLE = """curl -H "Authorization: Bearer $(cat PROJECT/.rondo/api-token)" \\
     -d '{"trainer": "setfit", "set": {"epochs": 3}}' http://127.0.0.1:8501/api/jobs"""


def page(document: Value) -> str:
    """The whole page."""
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body><main>'
        f"<h1>{escape(info['title'])} API</h1><p>{_prose(info['description'])}</p>"
        f"<pre>{escape(EXAMPLE)}</pre>"
        '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
        + "".join(_routes(document))
        + "".join(_shapes(document))
        + "".join(_trainers())
        + "</main></body></html>"
    )


def _routes(document: Value) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            if method == "parameters":
                continue
            parameters = [*methods.get("parameters", []), *route.get("parameters", [])]
            yield f"<h2>{escape(route['summary'])}<br><code>{method.upper()} {escape(path)}</code></h2>"
            yield _table("Parameter", [(one["name"], _kind(one["schema"]), one["description"]) for one in parameters])
            if "requestBody" in route:
                yield f"<p>Send: {_content(route['requestBody'])}</p>"
            result = route["responses"].items()
            yield "".join(f"<p>{status}: {_prose(one['description'])} {_content(one)}</p>" for status, one in result)


def _content(holder: Value) -> str:
    """A link to the table of what its JSON holds; refusals all hold the same."""
    named = holder["content"].get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f'<a href="#{named}">{named}</a>' if named and named != "Error" else ""


def _shapes(document: Value) -> Iterator[str]:
    yield "<h2>What is sent and told</h2>"
    for name, schema in document["components"]["schemas"].items():
        fields = schema["properties"].items()
        yield f'<h3 id="{name}">{name}</h3><p>{_prose(schema.get("description", ""))}</p>'
        yield _table("Field", [(field, _kind(one), one.get("description", "")) for field, one in fields])
        if "example" in schema:
            yield f"<pre>{escape(json.dumps(schema['example'], indent=1))}</pre>"


def _kind(schema: Value) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    kinds = schema.get("type", "object")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)


def _trainers() -> Iterator[str]:
    yield "<h2>Trainers, and what can be set on each</h2>"
    for name, trainer in TRAINERS.items():
        yield f"<h3><code>{escape(name)}</code></h3><p>{_prose(trainer.caption)}</p>"
        yield _table("Parameter", [(key, _kinds(one), one.help) for key, one in trainer.parameters.items()])


def _kinds(parameter: Parameter) -> str:
    """What it may be, and its default."""
    default = str(parameter.default).lower() if isinstance(parameter.default, bool) else parameter.default
    return f"{range_of(parameter) or 'text'}; {'empty' if default == '' else default}"


def _table(first: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in (first, "Kind", "What it is"))
    body = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(kind)}</td><td>{_prose(message)}</td></tr>'
        for name, kind, message in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _prose(text: str) -> str:
    """Escaped, with `code` as such."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
