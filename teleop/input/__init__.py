"""What input devices share: key bindings, raw reports of hardware, and the way from input to action."""
