"""Timings and checks on whole films. Nothing in the package imports this folder."""

import pipeline  # noqa: F401  first of all: it keeps libraries from talking to their makers
