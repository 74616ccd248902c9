"""The use cases: they order the steps and own the transactions.

    requests, dispatch   a run is asked for or falls due
    pull, reading, merge what the store says becomes *desired*
    absence              what it no longer says is archived
    lane, answers        what is desired goes to Meta
    settle               what Meta finished becomes *acknowledged*
    sweep                whatever a lost message left lying goes on

Each returns the wake-ups that should follow; whoever called enqueues them after everything is committed.
"""
