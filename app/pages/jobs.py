"""Jobs: encode a large pool, start a training job, watch it, cancel it, find its model. `/jobs?job=ID` opens one."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.encode_view import draw_encoding
from app.pages.parts.models.jobs_view import act, draw_jobs, draw_price, draw_runners, draw_trainers, draw_trouble
from app.pages.parts.models.parameter_view import draw_budget, draw_parameters, draw_search
from app.pages.parts.models.retrain_view import draw_retraining
from app.pages.parts.widgets import activity, page_header
from app.runner_readiness import runner_readiness
from core.tasks.tasks import lacks_labels, task_of
from core.training.following import GRID
from core.training.launch import TrainingRequest
from core.training.trainers import parameters_in, trainers_for

server = opened()
settings = server.settings()
page_header("Jobs")
activity(server)
draw_encoding(server)
two_sides, by_step = task_of(settings).two_sides, task_of(settings).steps
if (reason := lacks_labels(settings, "Training a model")) and not two_sides and not by_step:
    st.info(reason)
    st.stop()
st.header("All jobs")
draw_jobs(server, st.query_params.get("job"))
draw_retraining(server)
st.header("Train a model")
trainers = trainers_for(two_sides=two_sides, by_step=by_step)
runners = runner_readiness(settings)
trainer = draw_trainers(server, trainers, runners)
step = st.selectbox("Step", [one.name for one in settings.steps], key="step") if by_step else None
values = draw_parameters(trainer, parameters_in(settings, trainer))
searched = None if two_sides or by_step else draw_search(trainer, values)
on, gpu = draw_runners(runners)
note = st.text_input("Note", key="note", max_chars=200, placeholder="What to remember this job by")
with st.container(horizontal=True, vertical_alignment="center"):
    pressed = st.button("Start", key="start", type="primary", icon=":material/play_arrow:")
    draw_price(server, on, gpu)
asks = {"trainer": GRID, "values": searched} if searched else {"trainer": trainer, "values": values}
if step:
    asks = {"steps": [step], "values": values}
if searched:
    draw_budget(server.project, TrainingRequest(searched, on, gpu))
if pressed:
    with st.spinner("Writing what the job needs"):
        act(server, "train_steps" if step else "train", **asks, on=on, gpu=gpu, note=note, detach=True)
    draw_trouble()
