"""Argilla's filters and orders as SQL on its own tables, every value bound. Knows no text index and runs nothing.

`r` is a row of `records` in all that is made here.
"""

import json
from datetime import UTC, datetime
from uuid import UUID

from argilla_server.models import Dataset
from argilla_server.search_engine.base import (
    AndFilter,
    Filter,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)

Value = str | int | float | None
"""what SQLite takes for a bound name"""


def plain(value: object) -> str:
    """An enum's value or the string itself."""
    return str(getattr(value, "value", value))


class Clauses:
    """Collects the bound values while clauses are made."""

    def __init__(self, dataset: Dataset) -> None:
        self.values: dict[str, Value] = {"dataset": dataset.id.hex}

    def bind(self, value: Value) -> str:
        """The value's name in the statement."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def among(self, expression: str, values: list[str]) -> str:
        """As one bound list: SQLite allows only so many values in a statement."""
        return f"{expression} IN (SELECT value FROM json_each({self.bind(json.dumps(values))}))"

    def where(self, requested: Filter) -> str:
        """Raises ValueError for a filter that Argilla does not have yet."""
        if isinstance(requested, AndFilter):
            return " AND ".join(self.where(part) for part in requested.filters) or "1"
        scope = requested.scope
        if isinstance(scope, RecordFilterScope):
            column = plain(scope.property)
            if column == "id" and isinstance(requested, TermsFilter):
                return self.among("r.id", [_hex(value) for value in requested.values])
            return self._compare(requested, f"r.{column}")
        if isinstance(scope, MetadataFilterScope):
            return f"EXISTS (SELECT 1 FROM {self.metadata(scope)} WHERE {self._compare(requested, 'j.value')})"
        if isinstance(scope, SuggestionFilterScope):
            source, value = self._suggestion(scope)
            return f"EXISTS (SELECT 1 FROM {source} AND {self._compare(requested, value)})"
        if isinstance(scope, ResponseFilterScope) and scope.question:
            answers = f"{self._answers(scope)}{self._by(scope)}"
            return f"EXISTS (SELECT 1 FROM {answers} AND {self._compare(requested, 'j.value')})"
        if isinstance(scope, ResponseFilterScope):
            # a record is pending where nobody (of those asked for) has a response; a draft is one
            states = [plain(value) for value in getattr(requested, "values", ())]
            responses = f"(SELECT 1 FROM responses x WHERE x.record_id = r.id{self._by(scope)}"
            either = [f"NOT EXISTS {responses})"] if "pending" in states else []
            if others := [state for state in states if state != "pending"]:
                either.append(f"EXISTS {responses} AND {self.among('x.status', others)})")
            return "(" + (" OR ".join(either) or "1") + ")"
        raise ValueError(f"Cannot process filter {requested}")

    def _compare(self, requested: TermsFilter | RangeFilter, value: str) -> str:
        """A list (several labels, terms) comes here one element at a time."""
        if isinstance(requested, TermsFilter):
            return self.among(f"CAST({value} AS TEXT)", [plain(term) for term in requested.values])
        bounds = [
            f"{value} {sign} {self.bind(_bound(limit))}"
            for sign, limit in ((">=", requested.ge), ("<=", requested.le))
            if limit is not None
        ]
        return "(" + (" AND ".join(bounds) or "1") + ")"

    def _path(self, name: str, tail: str = "") -> str:
        return self.bind('$."' + name.replace('"', "") + '"' + tail)

    def metadata(self, scope: MetadataFilterScope) -> str:
        """The values of a metadata property as rows of `j`."""
        return f"json_each(r.metadata, {self._path(scope.metadata_property)}) j"

    def _suggestion(self, scope: SuggestionFilterScope) -> tuple[str, str]:
        part = plain(scope.property)
        part = "value" if part == "None" else part  # Argilla sends this when none is named
        source = "suggestions x JOIN questions q ON q.id = x.question_id"
        where = f" WHERE x.record_id = r.id AND q.name = {self.bind(scope.question)}"
        if part in ("value", "score"):  # JSON, maybe a list
            return f"{source} JOIN json_each(x.{part}) j{where}", "j.value"
        return source + where, f"x.{part}"

    def _answers(self, scope: ResponseFilterScope) -> str:
        path = self._path(scope.question, ".value")
        return f'responses x JOIN json_each(x."values", {path}) j WHERE x.record_id = r.id'

    def _by(self, scope: ResponseFilterScope) -> str:
        return f" AND x.user_id = {self.bind(scope.user.id.hex)}" if scope.user else ""

    def order(self, requested: Order) -> str:
        """Records without a value come last; of several values the extreme one counts, of answers the mean."""
        scope, way = requested.scope, "DESC" if plain(requested.order) == "desc" else "ASC"
        extreme = "MAX" if way == "DESC" else "MIN"
        if isinstance(scope, RecordFilterScope):
            value = f"r.{plain(scope.property)}"
        elif isinstance(scope, MetadataFilterScope):
            value = f"(SELECT {extreme}(j.value) FROM {self.metadata(scope)})"
        elif isinstance(scope, SuggestionFilterScope):
            source, column = self._suggestion(scope)
            value = f"(SELECT {extreme}({column}) FROM {source})"
        elif scope.question:
            value = f"(SELECT AVG(j.value) FROM {self._answers(scope)}{self._by(scope)})"
        else:
            responses = f"responses x WHERE x.record_id = r.id{self._by(scope)}"
            value = f"(SELECT {extreme}(x.{plain(scope.property or 'status')}) FROM {responses})"
        return f"{value} {way} NULLS LAST"


def _hex(value: object) -> str:
    """An id as Argilla stores it; a malformed one matches nothing."""
    try:
        return UUID(str(value)).hex
    except ValueError:
        return ""


def _bound(value: str | float) -> Value:
    """A number, or a time in the writing of Argilla's columns (UTC, without zone)."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
