"""Team: who labelled what, how far people agree, how good their answers are, and the conflicts to decide."""

from app.background import opened
from app.pages.parts.people.argilla_view import draw_argilla
from app.pages.parts.people.exchange_view import draw_exchange
from app.pages.parts.people.people_view import draw_people
from app.pages.parts.people.team_view import draw_agreement, draw_conflicts, draw_quality, draw_work
from app.pages.parts.widgets import activity, page_header
from core.agreement.pace import work

server = opened()
page_header("Team", measured="Several people")
activity(server)
answered = bool(work(server.project))
if answered:
    draw_conflicts(server)
    draw_agreement(server)
draw_work(server)
if answered:
    draw_quality(server)
draw_people(server)
draw_exchange(server)
draw_argilla(server)
