"""Components shared by the training algorithms."""
