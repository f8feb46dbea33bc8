"""Tariffs: what use costs, exact to the last unit. See the room's README."""
