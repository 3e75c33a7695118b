"""What an answer is: one file per task, and the one dict of them. Everything else works for any task."""
