"""LwM2M as far as meters need it: registrations, objects, and the forms of their values."""
