"""The demo: two small services, the agent and the node, and a check that nothing got lost."""
