"""`lodestone up`: the services as processes of this machine."""
