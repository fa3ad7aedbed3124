"""The command line: one module per command; only parses arguments and renders."""
