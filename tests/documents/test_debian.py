"""The Debian package, as far as it can be seen without building it. Built and installed: `make ops PARTS=debian`."""

import re
import subprocess

import pytest

import ipsync
from tests.documents.reading import ROOT, read

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def test_package_and_program_are_of_one_version() -> None:
    newest = re.match(r"ipsync \((.+)\) ", read("debian/changelog"))
    assert newest is not None
    assert newest[1] == ipsync.__version__


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_scripts_are_well_formed_and_leave_room_for_debhelper(name: str) -> None:
    text = read(f"debian/ipsync.{name}")
    assert text.startswith("#!/bin/sh\nset -e\n")
    assert "\n#DEBHELPER#\n" in text
    subprocess.run(["sh", "-n", ROOT / f"debian/ipsync.{name}"], check=True)


def test_removing_it_erases_the_works_and_purging_leaves_no_folder() -> None:
    script = read("debian/ipsync.postrm")
    remove, purge = script.split('if [ "$1" = purge ]')
    for name in ("content", "ipsync.db", "ipsync.db-wal", "ipsync.db-shm"):
        assert f'"$state/{name}"' in remove
    for folder in ("/var/lib/ipsync", "/var/lib/private/ipsync", "/etc/ipsync"):
        assert folder in purge


def test_only_pinned_wheels_get_in() -> None:
    rules, maker = read("debian/rules"), read("debian/make-package")
    for text in re.findall(r"^.*(?:requirements/run|requirements/build)\.txt.*$", rules, re.MULTILINE):
        assert "--require-hashes" in text
    assert "--no-index" in rules
    assert "--require-hashes" in maker
