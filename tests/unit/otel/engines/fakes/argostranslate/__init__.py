"""argostranslate 1.11.0 in miniature: the names that are patched, and how they call each other."""
