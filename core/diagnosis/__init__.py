"""What goes wrong, or well, in a training, and what to do about it."""
