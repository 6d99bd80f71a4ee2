"""The bridge between machines. `python -m citadel.bridge serve | connect | authority | issue | revoke`.

serve                                     the vault's machine: what it reads is in citadel/bridge/serve.py
connect                                   a worker's machine: what it reads is in citadel/bridge/connect.py
authority DIR                             make an authority and an empty list of refused certificates
issue DIR --name X --role worker|vault    make X.pem and X.key in DIR, and print the serial number
revoke DIR SERIAL                         put a serial number on DIR/revoked, which `serve` reads again by itself

The authority's directory belongs on neither machine. A machine is given authority.pem and its own two files, and the
vault's machine the list `revoked` as well, whenever it has changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from citadel import processes
from citadel.bridge import authority
from citadel.bridge.connect import Connect
from citadel.bridge.identity import CertificatesUnusable, RevokedUnreadable
from citadel.bridge.running import AddressUnusable, SettingInvalid, read_address, read_bounds, run
from citadel.bridge.serve import Serve


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m citadel.bridge")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="the vault's machine")
    commands.add_parser("connect", help="a worker's machine")
    for name, what in (
        ("authority", "make an authority"),
        ("issue", "make a certificate"),
        ("revoke", "refuse a certificate from now on"),
    ):
        commands.add_parser(name, help=what).add_argument("folder", metavar="DIR", type=Path)
    commands.choices["issue"].add_argument("--name", required=True)
    commands.choices["issue"].add_argument("--role", required=True, choices=sorted(authority.ROLES))
    commands.choices["revoke"].add_argument("serial", metavar="SERIAL")
    options = parser.parse_args(arguments)
    if options.command in ("serve", "connect"):
        return _run(options.command)
    try:
        print(_paper(options))
    except authority.AuthorityError as error:
        print(f"{error.code}: {' '.join((error.__doc__ or '').split())}", file=sys.stderr)
        return 1
    return 0


def _paper(options: argparse.Namespace) -> str:
    """Do what is done with certificates; what there is to say about it."""
    if options.command == "authority":
        made = authority.make(options.folder)
    elif options.command == "issue":
        made = authority.issue(options.folder, name=options.name, role=options.role)
    else:
        fresh = authority.revoke(options.folder, options.serial)
        return "refused from now on" if fresh else "refused already"
    return f"{made.certificate} serial {made.serial} until {made.ends:%Y-%m-%d}"


def _run(half: str) -> int:
    log = processes.Log(f"bridge-{half}")
    processes.harden()
    try:
        directory, bounds = processes.run_dir(), read_bounds()
        main: Serve | Connect
        if half == "serve":
            processes.hold(directory, "bridge")
            address = read_address("OBSCURA_BRIDGE_LISTEN")
            main = Serve(directory=directory, address=address, bounds=bounds, log=log)
        else:
            for name in ("signer", "egress"):  # whose sockets it makes: never beside a vault that has them already
                processes.hold(directory, name)
            address = read_address("OBSCURA_BRIDGE_VAULT")
            main = Connect(directory=directory, address=address, bounds=bounds, log=log)
    except (
        CertificatesUnusable, RevokedUnreadable, SettingInvalid, AddressUnusable, processes.AlreadyRunning,
    ) as error:  # fmt: skip
        log.line("refused_to_start", code=error.code, remedy=" ".join((error.__doc__ or "").split()))
        return 1
    return run(main.run, log)


if __name__ == "__main__":
    sys.exit(main())
