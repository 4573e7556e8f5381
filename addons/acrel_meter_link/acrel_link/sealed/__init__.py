"""The channel `sealed`: factory frames inside an authenticated, encrypted envelope.

Pure: bytes in, frames and bytes out; no socket, no timer, no file. docs/protocol.md describes it.
"""
