"""Finding records again: ``LogSearch`` and what the search commands stand on."""
