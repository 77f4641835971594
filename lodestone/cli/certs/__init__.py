"""`lodestone certs`: certificates for this machine."""
