"""A network operator's NB-IoT platform in software: it keeps commands for sleeping devices, and pushes."""
