"""What WebVTT is made of: times, and text that stays text."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def timestamp(time_ms: int) -> str:
    """``HH:MM:SS.mmm``."""
    seconds, rest = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{rest:03d}"


def escaped(text: str) -> str:
    """Tags and entities as text."""
    return text.translate(_ESCAPES)
