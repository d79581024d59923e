"""Settings: how they are declared, where their values come from, and the result."""
