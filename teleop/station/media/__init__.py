"""Pictures and clips for the pages: drawn, cached, and sent in ranges."""
