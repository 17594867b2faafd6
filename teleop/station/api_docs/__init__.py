"""The page that describes the REST API, and the description itself."""
