"""The command line: one file for each verb. Only this package imports all the others."""
