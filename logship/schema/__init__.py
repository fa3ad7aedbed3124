"""The flat schema: field names, and how what applications write is lifted into it."""
