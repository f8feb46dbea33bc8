"""How figures look where Django's own habit is not the trade's."""
