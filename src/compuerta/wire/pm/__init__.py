"""Our topic contract for meters behind MQTT: `pm/v1/{tenant}/{device}/{up|ev|cmd|rsp}`, JSON or CBOR."""
