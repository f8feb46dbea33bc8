"""MQTT 5 as far as meters need it: packets both ways, and a client's session, without a socket or a clock."""
