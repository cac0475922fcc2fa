"""Groups of commands that import the one that was asked for and no other: start-up is part of the product."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Mapping

import click

from pcap_analyzer.cli import guide

#: Command -> (module that holds it under the name of the module, one line for the list of commands).
Commands = Mapping[str, tuple[str, str]]


class CommandsOnDemand(guide.Group):
    """Lists commands without importing them."""

    commands_on_demand: Commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click names it
        return list(self.commands_on_demand)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click names it
        if cmd_name not in self.commands_on_demand:
            return None
        module, _ = self.commands_on_demand[cmd_name]
        command = getattr(importlib.import_module(module), module.rpartition(".")[2])
        gc.freeze()
        gc.enable()
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click names it
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.commands_on_demand.items()])
