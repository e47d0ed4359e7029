"""The decisions: pure functions and tables. No input or output, no clock, no chance, no environment."""
