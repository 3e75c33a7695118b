"""A home: a folder with projects. What is in it, what may happen to a project as a whole, and what one starts from."""
