"""Makes label_studio.json beside it: tasks that the real library (label-studio-sdk 2.1.2) has checked against the
labelling interface below, in the form that Label Studio exports. `pip install label-studio-sdk`, then run it. No test
runs it."""

import json
from pathlib import Path

from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import AnnotationValue, PredictionValue

INTERFACE = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text" choice="multiple">
    <Choice value="weather"/><Choice value="food"/><Choice value="music"/>
  </Choices>
</View>
"""
ANN = {"id": 1, "email": "ann@example.org", "first_name": "Ann", "last_name": ""}
BOB = {"id": 2, "email": "bob@example.org", "first_name": "Bob", "last_name": ""}


def main() -> None:
    """Regions are made by the interface's own controls."""
    interface = LabelInterface(INTERFACE)
    topic = interface.get_control("topic")

    def result(*names: str) -> list[dict[str, object]]:
        regions = [topic.label(list(names))] if names else []
        made = AnnotationValue(result=regions, completed_by=1).model_dump(exclude_none=True)
        return list(made["result"])

    def annotation(number: int, user: dict[str, object], *names: str, **more: object) -> dict[str, object]:
        common = {"was_cancelled": False, "ground_truth": False, "created_at": "2026-01-02T03:04:05.000000Z"}
        made = {"id": number, "completed_by": user, "result": result(*names), **common, **more}
        assert interface.validate_annotation({"result": made["result"]})
        return made

    guess = PredictionValue(model_version="v1", score=0.75, result=[topic.label(["music"])])
    prediction = guess.model_dump(exclude_none=True)
    tasks = [
        {"id": 7, "data": {"text": "Rain, then sun 🌦"}, "annotations": [annotation(1, ANN, "weather")]},
        {
            "id": 8,
            "data": {"text": "Soup with a song", "channel": "mail"},
            "annotations": [annotation(2, ANN, "food", "music"), annotation(3, BOB, "food")],
            "predictions": [prediction],
        },
        {"id": 9, "data": {"text": "Nothing of it"}, "annotations": [annotation(4, BOB)]},
        {"id": 10, "data": {"text": "Skipped"}, "annotations": [annotation(5, BOB, was_cancelled=True)]},
        {"id": 11, "data": {"text": "A gold drum"}, "annotations": [annotation(6, ANN, "music", ground_truth=True)]},
        {"id": 12, "data": {"text": "Not begun"}, "annotations": [], "predictions": [prediction]},
    ]
    for task in tasks:
        assert interface.validate_task({"id": task["id"], "data": task["data"]})
    target = Path(__file__).parent / "label_studio.json"
    target.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
