"""A decoder over weights in few bits: converting them, multiplying by them, what is kept of prompts."""
