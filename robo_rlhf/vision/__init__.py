"""What policies and rewards see: observations with cameras, pictures for training, encoders."""
