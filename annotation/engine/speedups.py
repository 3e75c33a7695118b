"""Hot spots of argilla-server 2.8.0 mended without a change of what it does. Measured by `benchmarks/argilla.py`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def install_speedups() -> None:
    """Once, after argilla_server is imported."""
    from argilla_server.webhooks.v1 import records, responses

    _compile_settings_once()
    requested = _remembered_events()
    _guard(records, "build_record_event", requested)
    _guard(responses, "build_response_event", requested)
    _insert_row_by_row()


def _compile_settings_once() -> None:
    """Upstream compiles a validator and reads the settings anew for each record that is checked against them."""
    from argilla_server.api.schemas.v1.questions import QuestionSettings
    from argilla_server.models import MetadataProperty, Question
    from argilla_server.models.metadata_properties import MetadataPropertySettings
    from pydantic import TypeAdapter

    for model, settings in ((Question, QuestionSettings), (MetadataProperty, MetadataPropertySettings)):
        adapter: TypeAdapter[Any] = TypeAdapter(settings)
        model.parsed_settings = property(_parsed(adapter))


def _parsed(adapter: Any) -> Callable[[Any], Any]:
    """What is read is kept on the object as long as its settings stay as they were."""

    def parsed(self: Any) -> Any:
        known = self.__dict__.get("_rondo_parsed")
        if known is None or known[0] != self.settings:
            known = (dict(self.settings), adapter.validate_python(self.settings))
            self.__dict__["_rondo_parsed"] = known
        return known[1]

    return parsed


class _NoEvent:
    async def notify(self, db: Any) -> list[Any]:
        return []


def _guard(module: Any, name: str, requested: Callable[[Any], Any]) -> None:
    """Upstream builds the event of every record (six SELECTs) and then finds that no webhook wants one."""
    build = getattr(module, name)

    async def guarded(db: Any, event: Any, subject: Any) -> Any:
        return await build(db, event, subject) if event in await requested(db) else _NoEvent()

    setattr(module, name, guarded)


def _remembered_events() -> Callable[[Any], Any]:
    """The events that any enabled webhook wants: asked once, and again after a change. This process alone makes any."""
    from argilla_server.contexts import webhooks

    state: dict[str, Any] = {"changes": 0, "known": None}

    async def registered_events(db: Any) -> frozenset[str]:
        if state["known"] is None:
            changes = state["changes"]
            result = frozenset(event for one in await webhooks.list_enabled_webhooks(db) for event in one.events)
            if changes != state["changes"]:
                return result  # somebody changes them right now: asked again next time
            state["known"] = result
        return frozenset(state["known"])

    def noticed(change: Callable[..., Any]) -> Callable[..., Any]:
        async def changed(*supplied: Any) -> Any:
            state["changes"] += 1
            try:
                return await change(*supplied)
            finally:
                state["changes"] += 1
                state["known"] = None

        return changed

    for name in ("create_webhook", "update_webhook", "delete_webhook"):
        setattr(webhooks, name, noticed(getattr(webhooks, name)))
    return registered_events


def _insert_row_by_row() -> None:
    """Upstream compiles one statement with all values of a batch in it; with rows beside it, it is compiled once."""
    from argilla_server.models.mixins import CRUDMixin
    from sqlalchemy.dialects.sqlite import insert

    async def upsert_many(
        cls: Any, db: Any, objects: list[Any], constraints: list[Any], autocommit: bool = True
    ) -> list[Any]:
        if not objects:
            raise ValueError("Cannot upsert empty list of objects")
        rows = [one if isinstance(one, dict) else one.model_dump() for one in objects]
        inserted = insert(cls)
        changed = {column: inserted.excluded[column] for column in cls.__upsertable_columns__}
        if hasattr(cls, "updated_at"):
            changed["updated_at"] = datetime.now(UTC).replace(tzinfo=None)
        statement = inserted.on_conflict_do_update(index_elements=constraints, set_=changed).returning(cls)
        matches = await db.execute(statement.execution_options(populate_existing=True), rows)
        if autocommit:
            await db.commit()
        return list(matches.scalars().all())

    CRUDMixin.upsert_many = classmethod(upsert_many)
