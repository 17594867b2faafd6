"""Migrations of databases of earlier versions: Alembic revisions, one for each version of the tables."""
