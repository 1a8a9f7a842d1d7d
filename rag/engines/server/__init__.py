"""A server that speaks OpenAI's API: how it is asked, and what it may answer."""
