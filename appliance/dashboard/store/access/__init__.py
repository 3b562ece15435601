"""Who may do what: people, tokens, second factors, rights, and the log of what they did."""
