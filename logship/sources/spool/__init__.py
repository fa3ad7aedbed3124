"""The spool source: ships the envelopes that handlers left in spool folders."""
