"""Timings and checks on whole films. Nothing in the package imports this folder."""
