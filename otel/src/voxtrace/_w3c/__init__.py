"""The W3C formats as text, both ways: read within bounds, and never quoted in a warning."""
