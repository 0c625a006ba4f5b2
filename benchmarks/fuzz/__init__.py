"""Damaged media and subtitles, made from a seed and put through the product; see ``__main__``."""
