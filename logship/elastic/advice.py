"""What to do about a server that refuses everything."""

from __future__ import annotations

from logship.errors import ElasticError, ErrorReply

__all__ = ["advice", "what_to_do"]


def what_to_do(cause: str) -> str:
    """Return a sentence for people; *cause* is the text of an `ErrorReply`."""
    if cause.startswith("HTTP 401"):
        return "Check elasticsearch.api_key, or username and password."
    if "cluster_block_exception" in cause:
        return "Free disk space there, or lift the block."
    if cause.startswith("HTTP 403"):
        return "The key or user needs create_doc and auto_configure on the indices."
    return "Check elasticsearch.hosts: is this the address of Elasticsearch itself?"


def advice(error: ElasticError) -> str:
    """Return `what_to_do` with a space before it; empty where time alone may help."""
    if isinstance(error, ErrorReply) and error.status < 500 and error.status not in (408, 429):
        return f" {what_to_do(str(error))}"
    return ""
