"""A language model tuned on few structured answers, beside the untuned one, examples in the prompt and a classifier.

    python -m benchmarks.structured_answers DATA_FOLDER [--steps element] [--budget 200] [--batch 100] [--seeds 1]
        [--test 100] [--strategies random,doubt] [--few-shot 3]

DATA_FOLDER holds fairytaleqa.parquet. It is `rondo replay --task extract --steps fairytale_questions` with SmolLM2 on a
processor (two passes, batches of 8, rate 5e-4), so an oracle answers, and later steps are given what the model said of
earlier ones. Untuned and tuned are held to the schema.
"""

import argparse
from pathlib import Path
from statistics import fmean, pstdev

from app.cli.steps.step_replay import StepReplay, StepReplayOptions, run_step_replay


def main() -> None:
    """Prints a table: a row for each model at each number of answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", default="element")
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--strategies", default="random")
    parser.add_argument("--few-shot", type=int, default=3)
    options = parser.parse_args()
    requested = StepReplayOptions(
        file=options.data / "fairytaleqa.parquet",
        steps="fairytale_questions",
        names=tuple(options.steps.split(",")),
        split="split",
        text=None,
        label="",
        strategies=tuple(options.strategies.split(",")),
        budget=options.budget,
        batch=options.batch,
        seeds=options.seeds,
        test=options.test,
    )
    result = run_step_replay(requested, (), options.few_shot, lambda *_: None)
    print("| model | answers | valid | field F1 |")
    print("|---|---|---|---|")
    print(f"| untuned | 0 | {result.untuned.validity:.3f} | {result.untuned.field_f1:.3f} |")
    if result.few_shot:
        score = result.few_shot
        print(f"| {options.few_shot} examples in the prompt | 0 | {score.validity:.3f} | {score.field_f1:.3f} |")
    for name in result.strategies:
        print_strategy(result, name)
    for path, shares in result.classifier.items():
        for count, share in zip(result.answers[1:], shares, strict=True):
            print(f"| plain classifier, {path} | {count} | | {share:.3f} |")
    print(f"\nTuning {result.tuning:.0f} s, answering {result.answering:.0f} s, {result.memory_mb:,} MB.")


def print_strategy(result: StepReplay, name: str) -> None:
    """A row for each number of answers, mean and spread over the seeds."""
    curves = result.strategies[name]
    for column, count in enumerate(curves.labels[1:], 1):
        f1 = [curve[column] for curve in curves.field_f1]
        validity = fmean(curve[column] for curve in curves.validity)
        spread = f" ± {pstdev(f1):.3f}" if len(f1) > 1 else ""
        print(f"| tuned, {name} | {count} | {validity:.3f} | {fmean(f1):.3f}{spread} |")


if __name__ == "__main__":
    main()
