"""Helper processes: how one of our functions runs in a process of its own, and how the two talk."""
