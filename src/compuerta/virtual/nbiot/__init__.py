"""NB-IoT devices in software: an LwM2M client with meters behind it, and the key that lets it in."""
