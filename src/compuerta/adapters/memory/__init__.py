"""The database in memory: the simulator's, and the one that tests of services use.

It keeps the same constraints as PostgreSQL, by hand: what a CHECK or a unique index refuses there is refused
here. A transaction that is left by an exception is undone whole, as after a crash.
"""

from compuerta.adapters.memory.bill_comparing import compare_bill as compare_bill
from compuerta.adapters.memory.store import MemoryStore as MemoryStore
from compuerta.adapters.memory.tables import Tables as Tables
from compuerta.adapters.memory.transaction import MemoryTransaction as MemoryTransaction
