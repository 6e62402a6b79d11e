"""The dispatcher: takes commands into the PostgreSQL ledger, carries each out at most once, and says what became of it.

    commands ──reading──> ledger ──sending──> sender (smtp, log)
                            │
                            └────receipts───> receipts

Each arrow is one loop; the ledger between them is the only thing they share. A command that is in the ledger is not yet
claimed, one that is claimed is not yet being sent: see `docs/reference/ledger.md` for the states.

It begins in `process`. Nothing is imported here: who checks templates needs neither a database nor a mail server.
"""
