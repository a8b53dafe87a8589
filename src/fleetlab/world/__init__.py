"""First floor: instances, and what they share."""
