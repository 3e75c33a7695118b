"""Keeping a project: backups, archives, checking what is stored, and repairing it."""
