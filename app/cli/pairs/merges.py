"""`rondo merges`: the clusters, one of them, and what a person changes about them. Imports nothing heavy."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.merges.merge_edits import EditTakenBack, MergeEdit, NewCluster, Survivor
    from core.merges.merges import ClusterDetail, HeldLine, MergeList

merges = typer.Typer(
    help="Clusters of records that are the same: list, show, undo, redo, pick, decide, survivor.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
RecordArgument = Annotated[
    str, typer.Argument(help="A cluster, named by any of its records: SOURCE:ID, or its ID where there is one source.")
]


@merges.command("list")
def list_(
    context: typer.Context,
    held: Annotated[bool, typer.Option("--held", help="Only clusters that a held merge would join.")] = False,
    cluster: Annotated[str | None, typer.Option(help="Only the cluster of this record.")] = None,
    start: Annotated[int, typer.Option(help="Clusters to pass over.", min=0)] = 0,
    most: Annotated[int, typer.Option(help="Clusters to show.", min=0, max=1_000)] = 50,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List clusters: those of held merges first, then the doubtful ones."""
    from core.merges.merges import merges as verb

    result = run_verb(folder_of(context, project), verb, held=held, cluster=cluster, start=start, most=most)
    present(result, list_lines, as_json=as_json)


def list_lines(result: "MergeList") -> list[str]:
    """Figures, held merges with their paths, a line for each cluster."""
    lines = [
        f"{result.records:,} records; {result.clusters:,} clusters of two and more, with {result.clustered:,} of them, "
        f"the largest of {result.largest:,}."
    ]
    if result.awaiting:
        lines.append(f"{result.awaiting:,} machine decisions wait for a blind answer and join nothing till then.")
    if result.held:
        lines.append(f"{len(result.held):,} merges are held:")
        lines += [f"  {held_sentence(one)}" for one in result.held[:20]]
    for one in result.lines:
        doubt = f"{one.by_machine:,} by machine, least {one.least:.1%}" if one.by_machine else "by people"
        held = f", {one.held} held" if one.held else ""
        lines.append(f"{one.cluster}  {one.size:,} records ({doubt}{held})  {one.text[:60]}")
    if result.matching > len(result.lines):
        lines.append(f"{len(result.lines):,} of {result.matching:,}; --start and --most show others.")
    return lines


def held_sentence(one: "HeldLine") -> str:
    """What is said to be the same, what speaks against it, and how they hang together."""
    source = f" ({one.probability:.1%} by machine)" if not one.by_person else ""
    why = "are of one source" if one.one_source else "are said to be apart"
    return f"{one.left} = {one.right}{source}, but {' and '.join(one.apart)} {why}: {' = '.join(one.path)}"


@merges.command()
def show(
    context: typer.Context, cluster: RecordArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Show a cluster: its records, the decisions that join them, its golden record, what became of it."""
    from core.merges.merges import merge

    present(run_verb(folder_of(context, project), merge, cluster=cluster), show_lines, as_json=as_json)


def show_lines(result: "ClusterDetail") -> list[str]:
    """Members with their way to the first, decisions, golden record, history."""
    by = f", chosen by {result.chosen_by}" if result.chosen_by else ""
    lines = [f"Cluster {result.cluster}: {len(result.members):,} records. {result.survivor} stands for it{by}."]
    for one in result.members:
        path = f"  (through {' = '.join(one.path)})" if len(one.path) > 2 else ""
        same = f"  (the text of {one.duplicate_of})" if one.duplicate_of else ""
        lines.append(f"  {one.name}  {' / '.join(one.text.splitlines())[:100]}{path}{same}")
    if result.decisions:
        lines.append("Decisions:")
    for decided in result.decisions:
        source = "a person" if decided.by_person else f"a machine, {decided.probability:.1%}"
        lines.append(f"  {decided.left} {'=' if decided.same else '≠'} {decided.right}  by {source}")
    lines += [f"Held: {held_sentence(one)}" for one in result.held]
    lines.append("Golden record:")
    for value in result.golden:
        source = f"  ({value.rule.replace('_', ' ')}, {value.member})" if value.member else "  (nobody has one)"
        lines.append(f"  {value.field}: {value.value}{source}")
    for event in result.history:
        now = f" into {', '.join(event.now)}" if event.now and event.now != (event.cluster,) else ""
        lines.append(f"{event.at}  {event.cluster} {event.fate}{now}")
    return lines


@merges.command()
def undo(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="CLUSTER|LEFT", help="A cluster; or, with RIGHT, a record.")],
    right: Annotated[str | None, typer.Argument(help="The other record.")] = None,
    member: Annotated[
        str | None, typer.Option(help="Set only this record apart from the others of the cluster.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set apart two records, or the records of a cluster; `redo` takes it back."""
    from core.merges.merge_edits import merges_undo

    folder = folder_of(context, project)
    if right is not None:
        result = run_verb(folder, merges_undo, left=first, right=right)
    else:
        result = run_verb(folder, merges_undo, cluster=first, member=member)
    present(result, edit_lines, as_json=as_json)


@merges.command()
def decide(
    context: typer.Context,
    left: Annotated[str, typer.Argument(help="A record.")],
    right: Annotated[str, typer.Argument(help="The other record.")],
    apart: Annotated[bool, typer.Option("--apart", help="They are different.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that two records are the same, whatever was decided on them before."""
    from core.merges.merge_edits import merges_decide

    result = run_verb(folder_of(context, project), merges_decide, left=left, right=right, same=not apart)
    present(result, edit_lines, as_json=as_json)


@merges.command()
def pick(
    context: typer.Context,
    cluster: RecordArgument,
    together: Annotated[
        list[str] | None, typer.Argument(help="Its records that belong together. Default: all of them, it is approved.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep these records of a cluster together, and set them apart from its others."""
    from core.merges.merge_edits import merges_pick

    present(
        run_verb(folder_of(context, project), merges_pick, cluster=cluster, together=together or None),
        edit_lines,
        as_json=as_json,
    )


def edit_lines(result: "MergeEdit") -> list[str]:
    """What was decided, what was not, and where the records are now."""
    if result.edit:
        lines = [f"Decided {result.decided:,} pairs: {result.same:,} same, {result.decided - result.same:,} different."]
    else:
        lines = ["Nothing was decided."]
    if result.unchanged:
        lines.append(f"People had decided {result.unchanged:,} pairs so already.")
    if result.missing:
        lines.append(f"{result.missing:,} pairs are no candidates of this project and stay undecided.")
    if result.waiting:
        lines.append(f"{result.waiting:,} pairs wait for a blind answer and were left out.")
    lines += cluster_lines(result.clusters)
    return [*lines, *(["Take it back: rondo merges redo"] if result.edit else [])]


def cluster_lines(clusters: "tuple[NewCluster, ...]") -> list[str]:
    """Where records are now."""
    joined = [f"{one.cluster} ({one.size:,})" for one in clusters if one.size > 1]
    alone = sum(one.size == 1 for one in clusters)
    return [f"Clusters now: {', '.join(joined) or 'none'}; {alone:,} records alone."]


@merges.command()
def redo(
    context: typer.Context,
    first: Annotated[
        str | None, typer.Argument(metavar="CLUSTER|LEFT", help="What the edit is about. Default: the newest edit.")
    ] = None,
    right: Annotated[str | None, typer.Argument(help="The other record.")] = None,
    edit: Annotated[str | None, typer.Option(help="The id of the edit.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an undo, a pick or a decision back: what was decided before holds again, under the ids from before."""
    from core.merges.merge_edits import merges_redo

    def lines(result: "EditTakenBack") -> list[str]:
        return [f"Took {result.decisions:,} decisions back.", *cluster_lines(result.clusters)]

    folder = folder_of(context, project)
    result = run_verb(folder, merges_redo, edit=edit, left=first, right=right)
    present(result, lines, as_json=as_json)


@merges.command()
def survivor(
    context: typer.Context,
    cluster: RecordArgument,
    record: Annotated[str | None, typer.Argument(help="The record. Default: by the rules again.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the record that stands for a cluster and gives its golden record the fields that it has."""
    from core.merges.merge_edits import merges_survivor

    def lines(result: "Survivor") -> list[str]:
        how = "was chosen" if result.chosen else "is the oldest"
        return [f"{result.survivor} stands for the cluster {result.cluster}: it {how}."]

    result = run_verb(folder_of(context, project), merges_survivor, cluster=cluster, record=record)
    present(result, lines, as_json=as_json)
