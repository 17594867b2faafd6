"""What input devices share: key bindings, raw hardware reports, and the mapping from input to action."""
