"""What all simulated payment providers share: their notices, one program, and one page for the payer.

`worlds` is what each of them is to that program and to tests; `notices` sends, repeats and loses; `server`
puts them behind HTTP, each below its own name.
"""
