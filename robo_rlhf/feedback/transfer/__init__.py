"""Export and import of everything that people said."""
