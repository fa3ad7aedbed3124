"""Aggregations, computed document by document."""
