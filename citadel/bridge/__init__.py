"""The vault's two sockets on another machine: frames over TLS between a worker's machine and the vault's."""
