"""The suite bites: each promise that is broken on purpose, in a copy of the package, makes a named test fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[1]


class Mutation(NamedTuple):
    """A text of one file of the package, what it is replaced with, and the test that must notice."""

    file: str
    text: str
    instead: str
    noticed_by: str


MUTATIONS = {
    "a process does not look whether its shard was taken over": Mutation(
        "edges/attempts.py",
        "            os.stat(self._next)",
        "            raise FileNotFoundError",
        "test_shard_attempts.py::test_in_no_order_of_the_steps_of_two_processes_a_row_is_sent_twice_or_lost",
    ),
    "a successor writes files that another process may write": Mutation(
        "rules/shards/attempts.py",
        "return Step.CONTINUE if writers <= set(ended) else Step.SUCCEED",
        "return Step.CONTINUE",
        "test_shard_attempts.py::test_files_are_continued_only_if_all_that_write_them_have_ended",
    ),
    "a copy of a checkpoint is made without its log": Mutation(
        "edges/checkpoint/snapshot.py",
        "        _copy_log(_log(path), _log(copy))\n",
        "",
        "test_shard_attempts.py::test_a_copy_has_all_that_was_committed_before_it_began_also_while_the_log_is_begun_anew",
    ),
    "a second with more executions than are listed counts as seen": Mutation(
        "rules/service/dwr_v3_list.py",
        "fault = TOO_FULL",
        'fault = ""',
        "test_dwr_v3.py::test_more_executions_in_one_second_than_can_be_listed_are_not_fully_seen",
    ),
    "a list that changes while it is read counts as seen": Mutation(
        "rules/service/dwr_v3_list.py",
        "if again is not None and _places(again) == _places(first):",
        "if True:",
        "test_dwr_v3.py::test_a_window_that_never_stands_still_is_not_fully_seen",
    ),
    "a list is asked for times that have not passed": Mutation(
        "flow/service.py",
        "min(window.end, now)",
        "min(window.end, now + 60)",
        "test_dwr_v3.py::test_only_times_that_have_passed_by_the_service_s_clock_are_asked_for",
    ),
    "refused credentials leave while others are looked for": Mutation(
        "flow/service.py",
        "                    credentials.are_proven = False\n",
        "                    pass\n",
        "test_credentials_in_use.py::test_nothing_leaves_with_refused_credentials_while_others_are_looked_for",
    ),
    "no intents are written": Mutation(
        "edges/checkpoint/writer.py",
        "store.admit(rows, now, facts), is_quick",
        "None, is_quick",
        "test_checkpoint.py::test_an_intent_is_on_the_disk_before_admit_returns",
    ),
    "a row in doubt is sent again in the same run": Mutation(
        "flow/attempts.py",
        "RESENDABLE = frozenset({Verdict.UNSENT, Verdict.REFUSED})",
        "RESENDABLE = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})",
        "test_attempts.py::test_a_row_in_doubt_is_never_sent_again",
    ),
    "a refusal that the service did not write is believed": Mutation(
        "rules/service/verdicts.py",
        "if not is_believed and rule.kind not in _DOUBTFUL:",
        "if False:",
        "test_attempts.py::test_a_row_in_doubt_is_never_sent_again",
    ),
    "a row in doubt is sent again by the next run": Mutation(
        "flow/repair.py",
        "Status.SENDING: Status.IN_DOUBT",
        "Status.SENDING: Status.REFUSED",
        "test_damage.py::test_after_the_resume_of_a_cut_output_the_checkpoint_has_nothing_to_send",
    ),
    "a failed commit is taken for a success": Mutation(
        "edges/checkpoint/writer.py",
        "        return error\n",
        "        return [None] * 9\n",
        "test_checkpoint.py::test_when_a_commit_fails_everybody_who_waited_for_it_gets_the_error_and_so_do_all_later",
    ),
    "a failed commit is told only to those who waited for it": Mutation(
        "edges/checkpoint/writer.py",
        "        self._broken = error\n",
        "",
        "test_checkpoint.py::test_when_a_commit_fails_everybody_who_waited_for_it_gets_the_error_and_so_do_all_later",
    ),
    "the verdict comes before its record": Mutation(
        "edges/checkpoint/writer.py",
        "                for each in asked:\n",
        "                self._store.commit()\n                self._store.begin()\n"
        "                for each in asked:\n",
        "test_checkpoint.py::test_what_verdicts_rely_on_is_done_before_they_are_committed",
    ),
    "a page of another time is not noticed": Mutation(
        "edges/checkpoint/schema.py",
        "if facts.get(CONTENTS, str(found)) != str(found):",
        "if found < 0:",
        "test_damage.py::test_a_checkpoint_that_lacks_a_row_that_was_committed_is_refused",
    ),
    "a row that has been changed by the disk is taken for a new one": Mutation(
        "edges/checkpoint/settled_rows.py",
        "        self.compare()\n",
        "",
        "test_damage.py::test_a_damaged_row_is_not_taken_for_a_new_one_also_if_no_other_row_is_looked_up",
    ),
    "a manifest that has changed is passed over": Mutation(
        "edges/manifest/manifest.py",
        "if digest.hexdigest() != mark.digest:",
        "if not digest:",
        "test_prefix.py::test_a_run_that_passes_over_the_prefix_does_what_a_run_that_reads_it_does",
    ),
    "a row is released without a control": Mutation(
        "flow/reconcile.py",
        "free = [row for row in absent if not proofs[row.id].fault]",
        "free = list(absent)",
        "test_controls.py::test_a_row_is_released_only_if_the_list_shows_the_controls",
    ),
    "contents are not compared before a row is released": Mutation(
        "flow/reconcile.py",
        "        if not are_comparable(asked, inquiry.looked_at):\n",
        "        if not asked:\n",
        "test_controls.py::test_a_row_is_held_if_the_service_does_not_report_a_control_as_it_was_sent",
    ),
    "a row is adopted by a list that shows controls at another time": Mutation(
        "rules/doubts/evidence.py",
        '(" at another time", _is_of_another_time, True)',
        '(" at another time", _is_of_another_time, False)',
        "test_controls.py::test_no_row_is_adopted_by_a_list_that_shows_none_of_the_controls_or_one_as_something_else",
    ),
    "a row is adopted although the service leaves out what would distinguish it": Mutation(
        "rules/doubts/evidence.py",
        "return {id_: words for id_, words in losses.items() if words}",
        "return {}",
        "test_losses.py::test_a_row_without_inputs_is_adopted_unless_a_control_shows_that_inputs_are_hidden",
    ),
    "a row is adopted in a form that not all controls have": Mutation(
        "rules/doubts/forms.py",
        "for sent, reported in wanted)\n",
        "for sent, reported in wanted[:1])\n",
        "test_forms.py::test_a_form_is_learned_only_from_controls_that_are_all_shown_in_it",
    ),
    "rows that a form shows alike are adopted": Mutation(
        "rules/doubts/matching.py",
        " or _is_contested(group, edges, bearers):\n",
        ":\n",
        "test_forms.py::test_rows_that_the_form_shows_alike_are_held_and_not_adopted",
    ),
    "an execution of any time is adopted": Mutation(
        "rules/doubts/matching.py",
        "return not candidate.is_event and is_within(candidate.at, [within])",
        "return not candidate.is_event",
        "test_matching.py::test_a_row_gets_the_execution_of_its_own_time",
    ),
    "the service's time is not asked for before the first intent": Mutation(
        "app/job.py",
        "        if not self.service.now():\n            # Intents are dated",
        "        if False:\n            # Intents are dated",
        "test_clock.py::test_a_row_of_the_first_moment_is_released_because_the_time_was_asked_for_before_it",
    ),
    "a row that breaks what the workflow declares is sent": Mutation(
        "app/job.py",
        "            found = found if self.screen is None else self.screen.found(found)\n",
        "",
        "test_check.py::test_rows_that_break_what_is_declared_are_recorded_and_nothing_of_them_is_sent",
    ),
    "an intent is dated by this machine's clock": Mutation(
        "app/job.py",
        "await admit(rows, self.service.now())",
        "await admit(rows, self.world.clock())",
        "test_clock.py::test_a_clock_that_is_set_between_a_kill_and_the_next_run_starts_nothing_twice[600-0]",
    ),
    "a row is sent that another job has on the wire": Mutation(
        "rules/rows/sharing.py",
        "(Entry.CLAIMED, False): Fate.HOLD,",
        "(Entry.CLAIMED, False): Fate.SEND,",
        "test_shared_ledger.py::test_a_row_in_doubt_in_another_job_is_in_doubt_here_until_that_job_has_settled_it",
    ),
    "a start is not noted in the ledger": Mutation(
        "app/job_files.py",
        "self.sharing.settled(settlements)",
        "self.sharing.settled([])",
        "test_shared_ledger.py::test_a_row_that_another_job_has_started_is_a_duplicate_with_its_execution",
    ),
    "another default bucket is taken for the same job": Mutation(
        "rules/job/card.py",
        '(*_IDENTITY, "bucket") if is_bucket_used else _IDENTITY',
        "_IDENTITY",
        "test_job_card.py::test_a_bucket_is_part_of_the_job_only_where_rows_rely_on_it",
    ),
    "a side manifest takes the place of the job's own": Mutation(
        "rules/job/card.py",
        "    if is_side:\n",
        "    if not kept:\n",
        "test_job_card.py::test_a_side_manifest_replaces_nothing_on_the_card",
    ),
    "a dismissed row is sent again": Mutation(
        "rules/rows/admission.py",
        "Status.IN_DOUBT, Status.DISMISSED}",
        "Status.IN_DOUBT}",
        "test_admission.py::test_a_dismissed_row_is_never_sent_again",
    ),
    "the one start of an examination is sent again": Mutation(
        "flow/doctor.py",
        "start = await examination.start(row)",
        "start = await ask_patiently(service.patience, service.now, lambda: examination.start(row))",
        "test_examination.py::test_a_start_that_failed_before_it_was_carried_out_is_not_made_again",
    ),
    "an outage uses rows up": Mutation(
        "flow/attempts.py",
        "verdict is REFUSED and not self.turns.is_away",
        "verdict is REFUSED",
        "test_attempts.py::test_a_probe_that_fails_uses_no_attempt_up",
    ),
    "the budget of retries is not asked": Mutation(
        "flow/attempts.py",
        "while not self.turns.may_retry() and not self.drain.begun:",
        "while False:",
        "test_attempts.py::test_the_retries_of_all_rows_together_keep_to_their_budget",
    ),
    "a pause lets what has waited leave at once": Mutation(
        "flow/turns.py",
        "                    number = None\n                else:",
        "                    pass\n                else:",
        "test_turns.py::test_after_a_pause_what_has_waited_does_not_leave_all_at_once",
    ),
    "a row that the job itself will send is a failure too": Mutation(
        "app/failures.py",
        "if status in {Status.REJECTED, Status.INVALID}:",
        "if status in {Status.REJECTED, Status.INVALID, Status.REFUSED}:",
        "test_failures_command.py::test_a_row_that_was_refused_to_its_last_attempt_is_no_failure_of_the_row",
    ),
    "an integer that JSON cannot carry is written as another one": Mutation(
        "rules/rows/next_manifest.py",
        "    begin = _EARLIER.sub",
        "    text = orjson.dumps(orjson.loads(text)).decode()\n    begin = _EARLIER.sub",
        "test_failures.py::test_json_keeps_every_digit_and_what_was_no_row_stays_none",
    ),
    "a key is markup in the report": Mutation(
        "edges/report/render.py",
        "        autoescape=True,\n",
        "        autoescape=False,  # noqa: S701\n",
        "test_report.py::test_whatever_comes_from_outside_is_text_on_the_page",
    ),
    "an older checkpoint is taken for the newest one": Mutation(
        "app/job_files.py",
        "    found = unexplained(left, written)\n",
        "    found = None\n",
        "test_rollback.py::test_a_checkpoint_that_is_older_than_the_output_is_refused_and_the_newest_one_goes_on",
    ),
    "a run does not lock the checkpoint itself": Mutation(
        "edges/checkpoint/writer.py",
        "            lock.take_file()\n",
        "",
        "test_one_run.py::test_a_symbolic_link_and_a_deleted_lock_lead_to_the_same_run",
    ),
    "a witness is not asked": Mutation(
        "app/generation.py",
        "known.generation <= self._number",
        "known.generation >= 0",
        "test_witness.py::test_an_older_checkpoint_whose_output_is_lost_is_refused",
    ),
    "an execution that the checkpoint does not know holds no row": Mutation(
        "app/unknown.py",
        "        held = self.unknown.fitting(sending)\n",
        "        held = {}\n",
        "test_unknown.py::test_a_row_in_doubt_that_a_lost_run_has_sent_again_is_held",
    ),
    "a copy runs beside the job": Mutation(
        "app/generation.py",
        "if self._witness.is_held_elsewhere:",
        "if False:",
        "test_witness.py::test_a_copy_that_was_made_during_a_run_does_not_run_beside_it",
    ),
    "rows that are sent again do not count for the limit": Mutation(
        "rules/progress/counts.py",
        "taken=self.taken)",
        "taken=-1000)",
        "test_after.py::test_a_limit_counts_the_rows_in_doubt_that_are_sent_again",
    ),
    "a shard takes the rows of all shards": Mutation(
        "edges/manifest/share.py",
        "if owner(row.object, of) == number",
        "if True",
        "test_shard_runs.py::test_shards_that_run_at_once_start_each_row_of_the_list_once_and_keep_its_number",
    ),
    "rows with the same content belong to different shards": Mutation(
        "edges/manifest/share.py",
        "owner(row.object, of) == number",
        "row.number % of == number",
        "test_shard_runs.py::test_shards_that_run_at_once_start_each_row_of_the_list_once_and_keep_its_number",
    ),
    "another number of shards is accepted": Mutation(
        "rules/shards/plan.py",
        "if kept.shards != wanted.shards:",
        "if False:",
        "test_shards.py::test_of_shards_that_begin_together_one_writes_the_plan_and_the_others_follow_it",
    ),
    "a row may be made of two contents of the list": Mutation(
        "edges/manifest/source.py",
        "        if changed:\n",
        "        if False:\n",
        "test_changing_list.py::test_at_no_offset_do_two_contents_of_one_size_meet_in_a_row",
    ),
}


class Copy(NamedTuple):
    """A copy of the package and its tests, so that nothing which is run here touches the project."""

    folder: Path
    size: str

    def run(self, *tests):
        """Run tests of the copy, on the copy, each as long as the tests of the project itself are run."""
        return suite(self.folder, f"--size={self.size}", *(f"tests/{test}" for test in tests))


@pytest.fixture
def copy(tmp_path, request):
    # With their bytecode, which fits as long as the times of the files are theirs.
    for folder in ("batcher", "tests"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return Copy(tmp_path, request.config.getoption("size"))


def suite(folder, *words):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *words,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(folder)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400
    )


@pytest.mark.long(small=1 / 12, ci=1 / 3)
def test_the_copy_as_it_is_passes(copy, share):
    ran = copy.run(*share(sorted({mutation.noticed_by for mutation in MUTATIONS.values()})))
    assert ran.returncode == pytest.ExitCode.OK, ran.stdout
    assert " passed" in ran.stdout


@pytest.mark.long(small=1 / 12, ci=1 / 3)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_promise_is_noticed(copy, name):
    mutation = MUTATIONS[name]
    path = copy.folder / "batcher" / mutation.file
    source = path.read_text()
    assert source.count(mutation.text) == 1
    path.write_text(source.replace(mutation.text, mutation.instead))
    ran = copy.run(mutation.noticed_by)
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout
    assert "1 failed" in ran.stdout
