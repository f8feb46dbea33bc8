"""Tariffs: what use costs, exact to the last unit.

A tariff is `components`; a `document` says it and `checking` refuses it. A `schedule` tells which version
holds when, `tally` sorts use into cells of Wh, `bill` makes money of cells, and `rating` does all of it for
a history. The other modules ask these: the domain's README is their map.
"""
