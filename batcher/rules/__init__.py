"""The rules: pure functions and tables. No input or output, no clock, no randomness, no environment."""
