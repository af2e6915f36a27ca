"""Load: many uploads at a pace, and a report of what became of them."""
