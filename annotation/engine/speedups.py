"""Hot spots of argilla-server 2.8.0 mended without a change of what it does. Measured by `benchmarks/argilla.py`."""

from typing import Any


def install_speedups() -> None:
    """Once, after argilla_server is imported."""
    from argilla_server.webhooks.v1 import records, responses

    _compile_settings_once()
    _guard(records, "build_record_event")
    _guard(responses, "build_response_event")


def _compile_settings_once() -> None:
    """Upstream compiles a validator of the settings for each record that is checked against them."""
    from argilla_server.api.schemas.v1.questions import QuestionSettings
    from argilla_server.models import MetadataProperty, Question
    from argilla_server.models.metadata_properties import MetadataPropertySettings
    from pydantic import TypeAdapter

    question: TypeAdapter[Any] = TypeAdapter(QuestionSettings)
    metadata: TypeAdapter[Any] = TypeAdapter(MetadataPropertySettings)
    Question.parsed_settings = property(lambda self: question.validate_python(self.settings))
    MetadataProperty.parsed_settings = property(lambda self: metadata.validate_python(self.settings))


class _NoEvent:
    async def notify(self, db: Any) -> list[Any]:
        return []


def _guard(module: Any, name: str) -> None:
    """Upstream builds the event of every record (six SELECTs) and then finds that no webhook wants one."""
    from argilla_server.contexts import webhooks

    build = getattr(module, name)

    async def guarded(db: Any, event: Any, subject: Any) -> Any:
        wanted = await webhooks.list_enabled_webhooks(db)
        if not any(event in webhook.events for webhook in wanted):
            return _NoEvent()
        return await build(db, event, subject)

    setattr(module, name, guarded)
