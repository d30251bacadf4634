"""`ipsync ledger`: what an operator and an auditor do with it, and that a program of the auditor's own agrees."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.clock import SystemClock
from ipsync.policy.accounts import Consent, Grant
from ipsync.policy.documents import Tombstone
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.ledger import gone
from ipsync.policy.removals import Reason, Scope, Stage
from tests.fakes.catalogs import LEASE, URL, a_document, a_removal, an_account, fresh_database
from tests.fakes.command_line import ROOT, Outcome
from tests.fakes.configuration import SECRETS, write_configuration

Cli = Callable[..., Outcome]
NOW = SystemClock().now()
VERIFIER = ROOT / "docs" / "how-to" / "verify_ledger.py"


class Mirror:
    """A mirror that erased documents 1 to 40, the last one too late, and holds document 50."""

    def __init__(self, folder: Path, cli: Cli) -> None:
        self.folder = folder
        self._cli = cli
        self.config = write_configuration(folder)
        fresh_database(folder)
        catalog = self.opened()
        catalog.write_now(lambda tx: tx.put_account(an_account(1, username="canary-olga")))
        catalog.write_now(lambda tx: tx.put_grant(Grant(1, "canary"), Consent(1, 1, "canary", {}, NOW - 3 * DAY)))
        for first in (1, 21):
            self.erase(catalog, range(first, first + 20))
        catalog.write_now(lambda tx: tx.add_documents([a_document(50, verified_at=NOW, mirrored_at=NOW)]))
        catalog.close_now()

    def opened(self) -> SqliteCatalog:
        return open_catalog(URL, self.folder, bytes.fromhex(SECRETS["IPSYNC_STATE_KEY"]), inline=True)

    def erase(self, catalog: SqliteCatalog, numbers: range, **changes: object) -> None:
        since = NOW - 2 * DAY
        done = [
            a_removal(
                number, removal_id=number, stage=Stage.GONE, reason=Reason.DELETED, first_unsafe_at=since,
                detected_at=since + HOUR, hidden_at=since + HOUR, erase_by=since + DAY, confirmed_at=since + HOUR,
                gone_at=since + (30 * HOUR if number == 40 else 2 * HOUR), files_erased=3, bytes_erased=3_400_000,
                certificate="pages=4 total=310; doc.get error 1", **changes,
            )
            for number in numbers
        ]  # fmt: skip
        catalog.write_now(lambda tx: tx.add_removals([replace(entry, removal_id=0) for entry in done]))
        catalog.write_now(lambda tx: tx.append_ledger([gone(entry, entry.gone_at or 0) for entry in done]))
        catalog.write_now(lambda tx: tx.put_tombstones([Tombstone(n, 1, "deleted", since) for n in numbers]))

    def __call__(self, *words: str | Path) -> Outcome:
        return self._cli("ledger", *words, "--config", self.config, env=SECRETS)

    def exported(self, *words: str) -> Path:
        path = self.folder / "ledger.jsonl"
        assert self("export", *words, "--output", path).code == 0
        return path


@pytest.fixture
def mirror(tmp_path: Path, cli: Cli) -> Mirror:
    return Mirror(tmp_path, cli)


def own_verifier(*words: str | Path) -> tuple[int, str]:
    """The auditor's own program, which has nothing of ipsync."""
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


# verify


def test_a_whole_ledger(mirror: Mirror) -> None:
    shown = mirror("verify")
    assert (shown.code, shown.err) == (0, "")
    assert "It is whole: 42 entries, 3 heads compared." in shown.out
    values = json.loads(mirror("verify", "--json").out)
    assert (values["whole"], values["entries"], values["findings"]) == (True, 42, [])
    assert mirror("verify", "--key", values["head"]["key"]).code == 0
    other = mirror("verify", "--key", "00" * 32)
    assert other.code == 3
    assert "another key" in other.err


def test_a_ledger_that_has_not_begun(tmp_path: Path, cli: Cli) -> None:
    config = write_configuration(tmp_path)
    fresh_database(tmp_path)
    shown = cli("ledger", "verify", "-c", config, env=SECRETS)
    assert (shown.code, "has not begun" in shown.out) == (0, True)
    assert cli("ledger", "export", "-c", config, env=SECRETS).code == 1
    never = cli("ledger", "prove", "1", "-c", config, env=SECRETS)
    assert "nothing in the ledger (it has not begun) tells of one" in never.out


def test_F38_F28_a_rollback_is_found_by_copies_beside_it_and_elsewhere(mirror: Mirror) -> None:
    elsewhere = mirror.folder / "elsewhere"
    backup = (mirror.folder / "ipsync.db").read_bytes()
    catalog = mirror.opened()
    mirror.erase(catalog, range(61, 71))
    catalog.close_now()
    elsewhere.write_text(mirror("export", "--head").out)
    heads = mirror.folder / "ipsync.db-heads"

    (mirror.folder / "ipsync.db").write_bytes(backup)
    beside = mirror("verify")
    assert beside.code == 3
    assert "line 4 of ipsync.db-heads proves that the ledger reached entry 52, and it ends at entry 42" in beside.err
    heads.unlink()
    assert "ipsync.db-heads is missing" in mirror("verify").err
    shown = mirror("verify", "--heads", elsewhere, "--json")
    assert shown.code == 3
    assert json.loads(shown.out)["findings"][0]["entry"] == 52
    assert mirror("verify", "--heads", mirror.folder / "none").code == 2


def test_an_export_needs_no_database_and_no_configuration(mirror: Mirror, cli: Cli) -> None:
    path = mirror.exported()
    lines = path.read_text().splitlines()
    assert len(lines) == 43
    assert "canary" not in path.read_text()
    key = json.loads(lines[0])["head"]["key"]
    assert cli("ledger", "verify", path, "--key", key).code == 0
    assert cli("ledger", "verify", path, "--heads", mirror.folder / "ipsync.db-heads").code == 0
    assert "3 heads compared" in cli("ledger", "verify", path, "--heads", mirror.folder / "ipsync.db-heads").out
    assert own_verifier(path, key) == (0, "whole, up to entry 42\n")
    assert own_verifier(path)[0] == 0
    wrong = cli("ledger", "verify", path, "--key", "00" * 32)
    assert (wrong.code, "signature" in wrong.err) == (3, True)
    assert own_verifier(path, "00" * 32)[0] != 0


ALTERED: dict[str, Callable[[list[str]], list[str]]] = {
    "a line cut": lambda lines: lines[:9] + lines[10:],
    "the end cut": lambda lines: lines[:-1],
    "all entries cut": lambda lines: lines[:1],
    "two lines swapped": lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]],
    "a line twice": lambda lines: [*lines[:9], lines[8], *lines[9:]],
    "a reason": lambda lines: [*lines[:9], lines[9].replace('"reason":"deleted"', '"reason":"x"'), *lines[10:]],
    "a time": lambda lines: [*lines[:9], lines[9].replace('"at":1', '"at":2'), *lines[10:]],
    "a hash": lambda lines: [*lines[:9], lines[9][:-4] + ('0"}' if lines[9][-4] != "0" else '1"}'), *lines[10:]],
    "a space": lambda lines: [*lines[:9], lines[9].replace(",", ", ", 1), *lines[10:]],
    "a line of another kind": lambda lines: [*lines[:9], "garbage", *lines[9:]],
    "the head": lambda lines: [lines[0].replace('"sequence":42', '"sequence":41'), *lines[1:]],
    "an older head": lambda lines: [lines[0].replace('"at":', '"at":1', 1), *lines[1:]],
}  # fmt: skip


@pytest.mark.parametrize("how", ALTERED)
def test_F38_an_altered_export_is_found_by_us_and_by_the_auditors_own_program(
    mirror: Mirror, cli: Cli, how: str
) -> None:
    path = mirror.exported()
    lines = path.read_text().splitlines()
    altered = ALTERED[how](lines)
    assert altered != lines
    path.write_text("\n".join(altered) + "\n")
    shown = cli("ledger", "verify", path)
    assert shown.code == 3
    assert shown.err
    assert "Traceback" not in shown.err
    assert own_verifier(path)[0] != 0


def test_what_is_no_export_is_wrong_usage(mirror: Mirror, cli: Cli) -> None:
    odd = mirror.folder / "odd"
    for data in (b"", b"Dear diary", b"\x00" * 100_000):
        odd.write_bytes(data)
        shown = cli("ledger", "verify", odd)
        assert (shown.code, "no export" in shown.err) == (2, True)
    assert cli("ledger", "verify", mirror.folder / "none").code == 2


# export


def test_a_part_of_the_ledger(mirror: Mirror, cli: Cli) -> None:
    path = mirror.exported("--since", "40")
    assert len(path.read_text().splitlines()) == 4
    assert cli("ledger", "verify", path).code == 0
    assert own_verifier(path) == (0, "whole, up to entry 42\n")
    assert len(mirror.exported("--since", "2001-01-01").read_text().splitlines()) == 43
    nothing = mirror.exported("--since", "2999-01-01T00:00:00Z")
    assert len(nothing.read_text().splitlines()) == 1
    assert cli("ledger", "verify", nothing).code == 0
    shown = mirror("export", "--format", "jsonl", "--since", "42")
    assert len(shown.out.splitlines()) == 2
    assert mirror("export", "--since", "yesterday").code == 2
    assert mirror("export", "--format", "csv").code == 2
    assert mirror("export", "-o", mirror.folder / "none" / "x").code == 2


# prove


def test_did_you_erase_mine_and_when(mirror: Mirror) -> None:
    shown = mirror("prove", "7")
    assert shown.code == 0
    assert "Document 7 was erased" in shown.out
    assert "deleted, 3 files, 3.4 MB" in shown.out
    assert "2 h after it was last known to be shared, inside the law's 24 h" in shown.out
    late = mirror("prove", "40")
    assert "30 h after it was last known to be shared, NOT inside the law's 24 h" in late.out


def test_the_evidence_convinces_somebody_who_knows_only_the_public_key(mirror: Mirror) -> None:
    shown = mirror("prove", "7", "--json")
    values = json.loads(shown.out)
    (erased,) = values["erased"]
    assert (values["answer"], erased["in_time"], erased["gone_after_seconds"]) == ("erased", True, 7200)
    path = mirror.folder / "proof.json"
    path.write_text(shown.out)
    key = erased["evidence"]["head"]["key"]
    code, words = own_verifier(path, key)
    assert (code, words.startswith("proven: document 7 (document), gone at ")) == (0, True)
    for name, other in {
        "subject": "document 8",
        "opening": "00" * 32,
        "before": "00" * 32,
        "path": erased["evidence"]["path"][1:],
        "entry": erased["evidence"]["entry"] | {"gone_at": 1},
        "head": erased["evidence"]["head"] | {"at": 1},
    }.items():
        forged = {"erased": [erased | {"evidence": erased["evidence"] | {name: other}}]}
        path.write_text(json.dumps(forged))
        assert own_verifier(path, key)[0] != 0, name


def test_a_document_that_is_held_or_being_erased_or_unknown(mirror: Mirror) -> None:
    held = mirror("prove", "50")
    assert "A copy of document 50 is held" in held.out
    values = json.loads(mirror("prove", "50", "--json").out)
    assert (values["answer"], values["erased"], values["held"]["state"]) == ("held", [], "live")
    catalog = mirror.opened()
    catalog.write_now(lambda tx: tx.doom_account(1, Reason.GRANT_LOST, NOW, LEASE))
    before = a_removal(90, stage=Stage.GONE, gone_at=NOW - 9 * DAY)
    catalog.write_now(lambda tx: tx.add_removals([before]))
    catalog.write_now(lambda tx: tx.put_tombstones([Tombstone(92, 1, "owner-request", NOW, stands=True)]))
    catalog.write_now(lambda tx: tx.add_removals([a_removal(91, scope=Scope.FILES, renditions=("original",))]))
    catalog.close_now()
    owed = mirror("prove", "50")
    assert "The document is being erased (grant-lost)" in owed.out
    assert json.loads(mirror("prove", "50", "--json").out)["answer"] == "being-erased"
    assert "before the ledger began" in mirror("prove", "90").out
    assert "Some files of it are being erased" in mirror("prove", "91").out
    asked = mirror("prove", "92")
    assert "No copy of document 92 is held" in asked.out
    assert "it is not mirrored again while that stands" in asked.out
    never = mirror("prove", "4711")
    assert "No copy of document 4711 is held, and nothing in the ledger (begun" in never.out
    assert json.loads(mirror("prove", "4711", "--json").out)["answer"] == "never-held"


def test_what_the_ledger_tells_of_an_account(mirror: Mirror) -> None:
    shown = mirror("prove", "1", "--account")
    assert "they authorized the application" in shown.out
    assert "1 later than the law allows" in shown.out
    values = json.loads(mirror("prove", "1", "--account", "--json").out)
    assert (values["erased"], values["late"], len(values["consents"])) == ({"deleted": 40}, 1, 1)
    assert "Nothing in the ledger tells of account 2." in mirror("prove", "2", "--account").out
    catalog = mirror.opened()
    catalog.write_now(lambda tx: tx.end_grant(1, NOW, "removed"))
    catalog.close_now()
    assert "that authorization ended" in mirror("prove", "1", "--account").out


def test_a_copy_of_a_head_that_is_forged_is_pointed_out(mirror: Mirror) -> None:
    heads = mirror.folder / "ipsync.db-heads"
    heads.write_bytes(heads.read_bytes().replace(b'"signature":"', b'"signature":"0').replace(b'"}', b'"}'))
    heads.write_text("\n".join(line[:-3] + line[-2:] for line in heads.read_text().splitlines()) + "\n")
    shown = mirror("prove", "7")
    assert "wrong signature" in shown.err
    assert "signature of the head" in mirror("verify").err
