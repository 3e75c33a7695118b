"""The commands by which a reviewer chooses the rounds again and checks them. Knows the facts, runs none of them."""

from shlex import quote

from core.paper.facts import PaperFacts
from core.paper.markup import markdown
from core.tasks.tasks import task_of


def reproduction(facts: PaperFacts) -> str:
    """Markdown."""
    rounds, version = facts.rounds, facts.versions.get("rondo", "")
    lines = [
        "# Reproducing the rounds",
        "",
        f"Rondo {version}, code {facts.code}. `versions.json` has the libraries, `rondo.toml` the settings.",
        "",
        "## In the project's folder, exactly",
        "",
    ]
    if rounds:
        lines += [
            "Each command chooses a batch again from its stored seed, pool and model, and says whether it is the same. "
            "It needs the project's records, vectors and models as they were:",
            "",
            *_code([f"rondo rechoose {one.round}" for one in rounds]),
            "",
            "MD5 of the record numbers of each batch, in the order chosen, as `batches.jsonl` has them too:",
            "",
            *(f"- round {one.round}: seed {one.seed}, {markdown(one.strategy)}, `{one.rows_md5}`" for one in rounds),
        ]
    else:
        lines += ["No batch was chosen, so there is none to choose again."]
    lines += [
        "",
        "`rondo backup --archive FILE` packs the project (texts, answers, models) for whoever may have it. Vectors are "
        "not in it: `rondo encode` makes them again and comes before the commands above. Without it the records' texts "
        "are needed, which are in this bundle only if it was written with `--texts`.",
        "",
        "## On a labelled file, as a simulation",
        "",
        "The answers of a file play the annotator; strategies are compared with paired seeds. It shows whether the "
        "method works on such data, not the same batches:",
        "",
        *_code([_replay(facts)]),
        "",
        "## Checking the files",
        "",
        *_code(["sha256sum -c SHA256SUMS"]),
    ]
    return "\n".join(lines) + "\n"


def _replay(facts: PaperFacts) -> str:
    task, settings = task_of(facts.settings), facts.settings
    sizes = [one.size for one in facts.rounds] or [settings.batch_size]
    names = dict.fromkeys([*(one.strategy for one in facts.rounds), "random"])
    columns = "--left LEFT --right RIGHT --label SAME" if task.two_sides else "--text TEXT --label LABEL"
    options = [f"--task {quote(settings.task)}", columns, f"--budget {sum(sizes)}"]
    if not task.two_sides:
        options += [f"--batch {max(set(sizes), key=sizes.count)}"]
        options += ["--steps steps.toml"] if task.steps else [f"--strategies {quote(','.join(names))}"]
        if facts.card.get("taxonomy", {}).get("several_labels_per_record"):
            options.append("--multi")
    return f"rondo replay FILE {' '.join(options)}"


def _code(lines: list[str]) -> list[str]:
    return ["```sh", *lines, "```"]
