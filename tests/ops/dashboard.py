"""The Grafana dashboard, checked against Grafana's own types: what is misspelled there is silently ignored."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faces.__main__ import node_modules
from tests.fakes.command_line import ROOT
from tests.ops.promises import Promise, need

_DASHBOARD = ROOT / "config" / "grafana" / "ipsync.json"

_HEAD = """\
import type { Dashboard, DataQuery, FieldConfigSource, Panel, RowPanel } from '@grafana/schema';
import type {
  Options as StatOptions,
} from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as SeriesFields, Options as SeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** As JSON writes it: enumerations as their words. */
type Plain<T> = unknown extends T ? T : T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
/** Grafana fills in what is left out. */
type Part<T> = T extends (infer U)[] ? Part<U>[] : T extends object ? { [K in keyof T]?: Part<T[K]> } : T;
/** The plugin of Prometheus is none of the schema's. */
type Query = Plain<DataQuery> & { expr: string; legendFormat?: string; instant?: boolean; range?: boolean };
type Fields<T> = Omit<Plain<FieldConfigSource>, 'defaults'>
  & { defaults: Omit<Plain<FieldConfigSource>['defaults'], 'custom'> & { custom?: Part<Plain<T>> } };
type Shown<O, F> = Omit<Plain<Panel>, 'options' | 'fieldConfig' | 'targets'>
  & { options: Part<Plain<O>>; fieldConfig: Fields<F>; targets: Query[] };
type Stat = Shown<StatOptions, Record<string, never>> & { type: 'stat' };
type Series = Shown<SeriesOptions, SeriesFields> & { type: 'timeseries' };
type Row = Plain<RowPanel>;
"""
_KINDS = {"row": "Row", "stat": "Stat", "timeseries": "Series"}


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    need({"node": "nodejs", "npm": "npm"})
    tools = ROOT / ".faces" / "types"
    node_modules(tools, Path(__file__).with_name("package.json"))
    board = json.loads(_DASHBOARD.read_text())
    errors = _errors(board, tools)
    version = json.loads((tools / "node_modules/@grafana/schema/package.json").read_text())["version"]
    yield Promise(
        "the dashboard is what Grafana's types ask for",
        not errors,
        errors[0] if errors else f"{len(board['panels'])} panels against @grafana/schema {version}",
    )
    # A check that finds nothing could be one that looks at nothing.
    for words, plant in (("option", _misspell_option), ("field", _misspell_field), ("color mode", _wrong_word)):
        harmed = json.loads(_DASHBOARD.read_text())
        plant(harmed)
        found = _errors(harmed, tools)
        yield Promise(f"a planted mistake is found: {words}", len(found) == 1, (found or ["nothing"])[0][:120])


def _errors(board: dict[str, Any], tools: Path) -> list[str]:
    """What tsc says of the dashboard, written as TypeScript."""
    frame = {name: value for name, value in board.items() if name != "panels"}
    lines = [_HEAD, f"export const board: Plain<Dashboard> = {json.dumps(frame)};"]
    for panel in board["panels"]:
        kind = _KINDS.get(panel["type"], "never")
        lines.append(f"/* {panel['title']} */ export const panel{panel['id']}: {kind} = {json.dumps(panel)};")
    with tempfile.TemporaryDirectory(dir=tools) as folder:
        source = Path(folder) / "dashboard.ts"
        source.write_text("\n".join(lines))
        command = ["node", str(tools / "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck"]
        done = subprocess.run(
            [*command, "--module", "esnext", "--moduleResolution", "bundler", str(source)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    return [line.partition("): ")[2] for line in done.stdout.splitlines() if "error TS" in line]


def _misspell_option(board: dict[str, Any]) -> None:
    options = next(panel for panel in board["panels"] if panel["type"] == "stat")["options"]
    options["colourMode"] = options.pop("colorMode")


def _misspell_field(board: dict[str, Any]) -> None:
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    panel["fieldConfig"]["defaults"]["units"] = "s"


def _wrong_word(board: dict[str, Any]) -> None:
    next(panel for panel in board["panels"] if panel["type"] == "stat")["options"]["colorMode"] = "backgroud"
