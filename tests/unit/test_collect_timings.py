"""Costs by rule, from Snakemake's benchmark files."""

from lunggtv.report.collect_timings import collect_timings
from lunggtv.tables import read_tsv

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_jobs_are_gathered_by_rule_and_short_ones_do_not_break_it(tmp_path):
    folder = tmp_path / "benchmarks"
    (folder / "cache_patient").mkdir(parents=True)
    (folder / "cache_patient/1.tsv").write_text(HEADER + "2.0\t0:00:02\t300\t1\t1\t1\t0\t0\t50\t1.0\n")
    (folder / "cache_patient/Zoë B.tsv").write_text(HEADER + "4.0\t0:00:04\t500\t1\t1\t1\t0\t0\t50\t3.0\n")
    (folder / "admit_cohort.tsv").write_text(HEADER + "0.1\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\t0\tNA\n")
    collect_timings(folder, tmp_path / "timings.tsv")
    assert read_tsv(tmp_path / "timings.tsv") == [
        {
            "rule": "cache_patient", "jobs": "2", "mean_s": "3.0", "longest_s": "4.0", "cpu_s": "4.0",
            "largest_memory_mb": "500",
        },
        {
            "rule": "admit_cohort", "jobs": "1", "mean_s": "0.1", "longest_s": "0.1", "cpu_s": "0.0",
            "largest_memory_mb": "0",
        },
    ]  # fmt: skip
