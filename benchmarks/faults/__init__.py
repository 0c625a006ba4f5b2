"""Runs of the command that are killed, starved or tricked, then run again; see ``__main__``."""
