"""The meter's side of Modbus: what its registers show, and a unit that answers for them."""
