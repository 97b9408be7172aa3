"""Pure rules of tokens and sessions: frozen values and decisions, standard library only.

Moments are integer milliseconds since the Unix epoch (`..._at`), spans are integer milliseconds (`..._ttl`,
`..._window`).
Time and randomness come in as arguments.
"""
