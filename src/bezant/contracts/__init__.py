"""What the services agree on: money, identifiers, errors, events and internal messages.

Pure data and pure functions; nothing here does I/O. Services never import each other, they meet here and
over the network.
"""
