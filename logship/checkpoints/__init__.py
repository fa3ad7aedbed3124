"""What has been confirmed: the tracker (pure) and the store (SQLite)."""
