"""The Python logging handler: the same pipeline inside an application."""
