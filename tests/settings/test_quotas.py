"""Quotas in the configuration: none unless somebody chose one, and none that no file would fit in (F31)."""

from pathlib import Path

import pytest

from ipsync.policy.quota import NO_QUOTA, Quota
from ipsync.settings import check, load
from ipsync.settings.effective import need_restart
from ipsync.settings.reference import written
from tests.fakes.configuration import SECRETS, write_configuration


def test_F31_nothing_is_limited_that_nobody_limited(tmp_path: Path) -> None:
    settings = load(write_configuration(tmp_path), SECRETS)

    assert settings.rules().quota == NO_QUOTA
    assert written(settings.store, "size_most") == written(settings.store, "account_size_most") == "unlimited"


def test_F31_quotas_become_policy_and_a_reload_takes_them_over(tmp_path: Path) -> None:
    before = load(write_configuration(tmp_path), SECRETS)
    file = write_configuration(tmp_path, '[store]\nsize_most = "1.5 TB"\naccount_size_most = "105MiB"')
    settings = load(file, SECRETS)

    assert settings.rules().quota == Quota(1_500_000_000_000, 105 << 20)
    assert written(settings.store, "size_most") == "1500GB"
    assert settings.warnings == ()
    assert need_restart(before, settings) == []


@pytest.mark.parametrize("key", ["size_most", "account_size_most"])
@pytest.mark.parametrize("value", ['"104MiB"', '"0B"', "5000", '"none"', '"1000001TB"'])
def test_F31_a_quota_holds_one_file_of_the_largest_size_at_least(tmp_path: Path, key: str, value: str) -> None:
    file = write_configuration(tmp_path, f"[store]\n{key} = {value}")

    (problem,) = check(file, SECRETS)

    assert (problem.file, problem.key, problem.is_error) == (str(file), f"store.{key}", True)
    assert '"unlimited"' in problem.remedy
    if value.endswith('B"'):
        assert "at least 105MiB" in problem.remedy


def test_F31_a_quota_of_one_account_is_not_above_that_of_all(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[store]\nsize_most = "10GB"\naccount_size_most = "11GB"')

    (problem,) = check(file, SECRETS)

    assert (problem.file, problem.key, problem.is_error) == (str(file), "store.account_size_most", True)
    assert "10GB" in problem.reason
    assert "store.size_most" in problem.remedy
    equal = write_configuration(tmp_path, '[store]\nsize_most = "10GB"\naccount_size_most = "10GB"')
    assert check(equal, SECRETS) == []
