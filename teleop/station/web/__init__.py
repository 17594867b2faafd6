"""What all pages and the REST API need of HTTP: security, sign-in, templates, errors."""
