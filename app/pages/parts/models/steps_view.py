"""The steps of structured answers on the Settings page: what each asks and what its answer holds. To be read only."""

import streamlit as st

from core.config.settings import Settings
from core.config.steps import FILE
from core.extract.answer_form import FieldLine, step_lines
from core.tasks.tasks import unready

COLUMNS = {
    "field": st.column_config.TextColumn("Field", width=150),
    "holds": st.column_config.TextColumn("Holds", width=300),
    "required": st.column_config.CheckboxColumn("Required", width=80),
    "grounded": st.column_config.TextColumn("Marked in the text", width=150),
    "description": st.column_config.TextColumn("Means", width=240),
}


def draw_steps(settings: Settings) -> None:
    """Instructions and field names are people's own words, and stay text."""
    st.header("Steps")
    if reason := unready(settings):
        st.info(reason)
        return
    st.caption(f"They stand in {FILE} beside rondo.toml. Edit that file; what is saved there is read at once.")
    for step, lines in zip(settings.steps, map(step_lines, settings.steps), strict=True):
        with st.container(border=True, key=f"step-{step.name}"):
            st.subheader(step.name, anchor=False)
            st.text(_facts(step.inputs, step.needs, step.optional))
            st.dataframe(
                [vars(line) for line in lines],
                key=f"fields-{step.name}",
                hide_index=True,
                column_config=COLUMNS,
                column_order=_filled(lines),
                alt=f"Fields of the step {step.name}",
            )
            with st.expander("Instruction"):
                st.code(
                    "\n\n".join(filter(None, (step.system, step.instruction.strip()))), language=None, wrap_lines=True
                )


def _facts(inputs: tuple[str, ...], needs: tuple[str, ...], optional: bool) -> str:
    facts = [f"Reads {', '.join(inputs)}", f"needs {', '.join(needs)}" if needs else "", "optional" if optional else ""]
    return " · ".join(filter(None, facts))


def _filled(lines: tuple[FieldLine, ...]) -> list[str]:
    return [name for name in COLUMNS if name in ("field", "holds") or any(getattr(line, name) for line in lines)]
