"""HTTP code shared by all pages and the REST API: security, sign-in, templates, errors."""
