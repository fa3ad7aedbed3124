"""The bounded queue between reading and sending, and how batches are cut from it."""
