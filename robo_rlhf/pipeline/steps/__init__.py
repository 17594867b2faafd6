"""The steps that the whole loop is made of."""
