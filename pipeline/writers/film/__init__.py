"""``annotated.mp4``: what is drawn into the film, where it stands, and the one pass that makes it."""
