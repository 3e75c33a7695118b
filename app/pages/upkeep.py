"""Upkeep: copies of the project, a check of what is stored, and erasing records or a person for good."""

from app.background import opened
from app.pages.parts.data.erase_view import draw_erasure
from app.pages.parts.data.upkeep_view import draw_check, draw_copies
from app.pages.parts.widgets import activity, page_header

server = opened()
page_header("Upkeep")
activity(server)
draw_copies(server)
draw_check(server)
draw_erasure(server)
