"""What the gateway does, one module a surface; each takes ports and plain data and is called by one route."""
