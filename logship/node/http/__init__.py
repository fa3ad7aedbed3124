"""HTTP: from the wire to a handler's request, and from its answer to the wire."""
