"""Parses a search query into a tree, and writes the tree in SQLite's full-text language. Knows no table.

The language is Elasticsearch's simple_query_string with AND as default, read from left to right:
"a phrase"   begin*   -without   a | b   ( )
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(r'[+|()]|-(?=\S)|"[^"]*"(?:~\d+)?|[^\s"()|]+')
MOST_TOKENS, DEEPEST = 200, 20
"""what is past them is left out: SQLite refuses expressions of more than 256 levels"""


@dataclass(frozen=True)
class Term:
    """One word, beginning of a word, or phrase, in FTS5's writing."""

    match: str


@dataclass(frozen=True)
class Without:
    """Where `node` does not match."""

    node: "Node"


@dataclass(frozen=True)
class Joined:
    """How all or any of the nodes match. word: AND or OR."""

    word: str
    nodes: tuple["Node", ...]


Node = Term | Without | Joined


def parse(query: str) -> Node | None:
    """The tree; None where nothing in it is a word. Never raises: every input is a query."""
    tokens = TOKEN.findall(query.replace("\0", " "))[:MOST_TOKENS]
    result: Node | None = None
    position = 0
    while position < len(tokens):  # a stray ")" ends a group early; carry on
        node, position = _group(tokens, position, 0)
        result = _joined("AND", result, node)
    return result


def _group(tokens: list[str], position: int, depth: int) -> tuple[Node | None, int]:
    """The part up to the closing parenthesis, and the position after it."""
    tree, word, without = None, "AND", False
    while position < len(tokens):
        piece = tokens[position]
        position += 1
        if piece == ")":
            break
        if piece in "+|":
            word = "OR" if piece == "|" else "AND"
        elif piece == "-":
            without = not without
        else:
            node: Node | None = None
            if piece == "(" and depth < DEEPEST:
                node, position = _group(tokens, position, depth + 1)
            elif piece != "(":
                node = _term(piece)
            tree = _joined(word, tree, Without(node) if node and without else node)
            word, without = "AND", False
    return tree, position


def _term(piece: str) -> Term | None:
    text = re.sub(r"~\d*$", "", piece)
    if not any(letter.isalnum() for letter in text):
        return None
    begins = "*" if text.endswith("*") else ""
    return Term('"' + text.replace('"', " ").strip(" *") + '"' + begins)


def _joined(word: str, left: Node | None, right: Node | None) -> Node | None:
    """`a AND b AND c` is one level, not two."""
    if left is None or right is None:
        return left or right
    if isinstance(left, Joined) and left.word == word:
        return Joined(word, (*left.nodes, right))
    return Joined(word, (left, right))


def full_text(node: Node) -> str | None:
    """The tree as one FTS5 expression; None when it holds a negation, which FTS5 has only between two others."""
    if isinstance(node, Term):
        return node.match
    if isinstance(node, Without):
        return None
    parts = [full_text(part) for part in node.nodes]
    return None if None in parts else "(" + f" {node.word} ".join(filter(None, parts)) + ")"
