"""Records become other records, or none."""
