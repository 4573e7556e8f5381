"""How a connection is protected: one interface, and a module for each way."""
