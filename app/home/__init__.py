"""The home: one server for a folder of projects. Each project is served by a process of its own, behind it."""
