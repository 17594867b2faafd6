"""The revisions, named by the version of the tables that they lead to. They never change once they are released."""
