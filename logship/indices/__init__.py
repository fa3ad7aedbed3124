"""Looking after indices: which there are, what they are made from, and when they go."""
