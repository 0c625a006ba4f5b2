import pipeline  # noqa: F401  first of all: it keeps libraries from talking to their makers
