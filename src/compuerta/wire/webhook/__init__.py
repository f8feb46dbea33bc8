"""How we sign what we tell apps, and how an app finds out that it was us."""
