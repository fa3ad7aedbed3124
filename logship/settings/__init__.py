"""Settings: typed objects, and loading them from YAML and the environment."""
