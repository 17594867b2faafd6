"""Episodes and runs at a URL: in an S3 bucket, on a file server, or in a folder, by fsspec."""
