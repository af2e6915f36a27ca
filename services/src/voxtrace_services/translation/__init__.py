"""Text to text in another language."""
