"""Man pages and shell completion, made from the commands themselves, so that they cannot say anything else."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from ipsync.cli import COMMANDS
from ipsync.cli.frame import load_command

_EXIT_CODES = "0 done, 1 failed, 2 wrong usage or configuration, 3 something was found."
_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-"})


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, with the words that are typed after `ipsync`; groups before what is below them."""
    for entry in COMMANDS:
        yield from _below((entry.name,), load_command(entry))


def man_page(words: tuple[str, ...], command: Any, version: str) -> str:
    """Write the page of one command, in roff.

    Args:
        words: what is typed after `ipsync`.
        command: as `commands` gives it.
        version: of ipsync.
    """
    name = "-".join(("ipsync", *words))
    lines = [f'.TH "{name.upper()}" "1" "" "ipsync {version}" "ipsync"', ".SH NAME"]
    text = _paragraphs(command.help or "")
    lines.append(f"{_escaped(name)} \\- {_escaped(text[0].rstrip('.') if text else '')}")
    lines += [".SH SYNOPSIS", f"\\fB{_escaped(' '.join(('ipsync', *words)))}\\fR {_escaped(_usage(command))}"]
    if text[1:]:
        lines.append(".SH DESCRIPTION")
        for paragraph in text[1:]:
            lines += [".PP", _escaped(paragraph)]
    options = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    if options:
        lines.append(".SH OPTIONS")
        for parameter in options:
            lines += [".TP", f"\\fB{_escaped(_names(parameter))}\\fR", _escaped(getattr(parameter, "help", "") or "")]
    below = getattr(command, "commands", {})
    if below:
        lines.append(".SH COMMANDS")
        for child, found in below.items():
            told = _paragraphs(found.help or "")
            page = "-".join(("ipsync", *words, child))
            lines += [".TP", f"\\fB{_escaped(page)}\\fR(1)", _escaped(told[0] if told else "")]
    shown = _examples(command.epilog or "")
    if shown:
        lines += [".SH EXAMPLES", ".nf", *(_escaped(line) for line in shown), ".fi"]
    lines += [".SH EXIT STATUS", _EXIT_CODES]
    return "\n".join(lines) + "\n"


def top_page(version: str) -> str:
    """Write the page of ipsync itself, which leads to all others."""
    lines = [f'.TH "IPSYNC" "1" "" "ipsync {version}" "ipsync"', ".SH NAME"]
    lines += ["ipsync \\- mirror what ipernity members allow, and forget it the moment they don't", ".SH SYNOPSIS"]
    lines += ["\\fBipsync\\fR [\\-\\-config FILE] COMMAND"]
    for panel in dict.fromkeys(entry.panel for entry in COMMANDS):
        lines.append(f".SH {panel.upper()}")
        for entry in COMMANDS:
            if entry.panel == panel:
                lines += [".TP", f"\\fB{_escaped(f'ipsync-{entry.name}')}\\fR(1)", _escaped(entry.summary)]
    lines += [".SH EXIT STATUS", _EXIT_CODES]
    return "\n".join(lines) + "\n"


def bash_completion() -> str:
    """Write what bash needs to complete commands and options; zsh reads it after `bashcompinit`."""
    cases = []
    for words, command in commands():
        offered = [*getattr(command, "commands", {}), *_options(command)]
        cases.append(f'    "{" ".join(words)}") offered="{" ".join(offered)}" ;;')
    top = " ".join([entry.name for entry in COMMANDS] + ["--config", "--help", "--version"])
    return "\n".join(
        [
            "# bash completion for ipsync, made by `ipsync assets install`.",
            "_ipsync() {",
            '    local word path="" offered',
            '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
            '        case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac',
            "    done",
            '    case "$path" in',
            f'    "") offered="{top}" ;;',
            *cases,
            "    *) COMPREPLY=(); return ;;",
            "    esac",
            '    COMPREPLY=($(compgen -W "$offered" -- "${COMP_WORDS[COMP_CWORD]}"))',
            "}",
            "complete -o default -F _ipsync ipsync",
            "",
        ]
    )


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below((*words, name), child)


def _usage(command: Any) -> str:
    context = typer.Context(command, info_name="")
    return " ".join(command.collect_usage_pieces(context))


def _options(command: Any) -> list[str]:
    found = [name for parameter in command.params for name in parameter.opts if not getattr(parameter, "hidden", False)]
    return [name for name in found if name.startswith("--")]


def _names(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    metavar = getattr(parameter, "metavar", None)
    if parameter.param_type_name == "argument":
        return str(metavar or parameter.name.upper())
    return ", ".join(names) + (f" {metavar}" if metavar and not getattr(parameter, "is_flag", False) else "")


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.replace("\b", "")) if part.strip()]


def _examples(epilog: str) -> list[str]:
    lines = epilog.replace("\b", "").strip().splitlines()
    return [line.strip() for line in lines if line.strip() and line.strip() != "Examples:"]


def _escaped(text: str) -> str:
    # A line that begins with a dot or a quote would be a request to roff.
    escaped = text.translate(_ESCAPES)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
