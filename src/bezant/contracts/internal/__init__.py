"""Messages that one service sends to another over an internal call, one module per answering service."""
