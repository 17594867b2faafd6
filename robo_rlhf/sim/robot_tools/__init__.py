"""How a robot is made out of a model: loading, what is found in it, home."""
