"""How databases of earlier versions become ones of this version: Alembic revisions, one a version of the tables."""
