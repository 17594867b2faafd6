"""The station under a team: a full database, a crowd of annotators over HTTP, and a server that is killed."""
