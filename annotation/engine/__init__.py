"""What runs inside Argilla's own environment, without anything else of ours: its modules import only each other."""
