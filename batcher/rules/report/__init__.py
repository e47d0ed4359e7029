"""Texts and figures about a job for people: summary, report, history of a row, next commands. Pure."""
