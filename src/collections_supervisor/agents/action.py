"""One restart action of kind `openclaw` or `command`: run it under our deadline, judge what it answered."""

from collections.abc import Callable

import anyio
import anyio.to_thread
import msgspec

from collections_supervisor.agents import openclaw
from collections_supervisor.agents.action_output import Output
from collections_supervisor.agents.orphan import Orphan
from collections_supervisor.agents.ports import Attendant
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.agents.workplace import UNNEEDED, Workplace, not_started, words
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.clock import span
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import Child, SpawnError, spawn
from collections_supervisor.system.process_adopt import find_tree
from collections_supervisor.system.process_command import CommandResult, run_command
from collections_supervisor.system.process_tree import Tree

LOOK = 0.25
"""Seconds between two looks at the output of a running action."""

SHOWN = 2000
"""Characters of the output that go into the log event."""


class ActionRunner:
    """Brings an agent back that lives elsewhere: by a turn of OpenClaw, or by a configured command."""

    def __init__(self, policy: AgentConfig, place: Workplace) -> None:
        self._policy = policy
        self._place = place

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        """Run one attempt to its end; `attendant.begin` is awaited right before it counts as one."""
        restart = self._policy.restart
        if restart.kind == "command":
            argv = substitute(restart.command, words(request))
            return await self._attempt(request, argv, {}, attendant) if await attendant.begin(argv) else UNNEEDED
        probe = await self._call(request, openclaw.tasks_argv(restart, request.agent))
        progress = openclaw.judge_tasks(probe.stdout, restart, self._place.clock.now().wall)
        if progress.busy and not request.by_hand:
            return ActionOutcome(result="busy", cause=progress.detail, retry_after=progress.look_again)
        argv = openclaw.restart_argv(restart, request.agent, substitute(restart.message, words(request)))
        if not await attendant.begin(argv):
            return UNNEEDED
        await self._prepare(request)
        outcome = await self._attempt(request, argv, openclaw.environment(), attendant)
        task = progress.detail if progress.hung else ""
        return msgspec.structs.replace(outcome, hung=outcome.hung or progress.hung, task=task)

    async def find(self, record: ActionRecord) -> Tree | None:
        """What an earlier life of ours began and did not see the end of."""
        return await find_tree(record.pid, record.start_time, record.request.action_id)

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        """Watch it as if it were ours; how it exits is for nobody to know, what it answered stands in its file."""
        begun = self._place.clock.now().mono
        try:
            output = Output(self._place.folder, self._policy.name, begun_before=True)
        except OSError as error:
            return ActionOutcome(result="unknown", cause=f"the output of the action cannot be read: {error}")
        child = Orphan(tree)
        try:
            outcome = await self._ended_if_cut_off(child, output, max(0.0, record.deadline - begun))
        finally:
            await output.close()
        return msgspec.structs.replace(outcome, duration_s=self._place.clock.now().mono - begun)

    async def wait(self) -> ChildExited | None:
        """There is no process of ours to wait for."""
        return None

    def when_news(self, call: Callable[[], object]) -> bool:  # noqa: ARG002 - there will be none
        """There is nothing to be told of."""
        return False

    async def close(self) -> None:
        """Nothing outlives `run`."""

    # --- OpenClaw ---

    async def _prepare(self, request: ActionRequest) -> None:
        """Empty the lane of a hung turn, and begin a new session where only that helps; neither can fail the attempt."""
        restart = self._policy.restart
        if restart.abort_first:
            self._tell_step(request, "abort", await self._call(request, openclaw.abort_argv(restart, request.agent)))
        if request.fresh:
            self._tell_step(request, "new_session", await self._call(request, openclaw.new_session_argv(restart, request.agent)))

    async def _call(self, request: ActionRequest, argv: tuple[str, ...]) -> CommandResult:
        env = self._place.env(self._policy, request, openclaw.environment())
        return await run_command(
            argv,
            env=env,
            cwd=None,
            timeout=openclaw.SIDE_DEADLINE,
            marker=request.action_id,
            shutdown=self._place.shutdown,
        )

    def _tell_step(self, request: ActionRequest, step: str, result: CommandResult) -> None:
        fields = {"agent": request.agent, "attempt": request.attempt, "action_id": request.action_id, "step": step}
        if result.spawn_error is None and not result.timed_out and result.exit_code == 0:
            self._place.log.info("agent.restart.prepared", message=f"{step} of {request.agent} is done", **fields)
            return
        cause = "it was not done in time" if result.timed_out else f"exit code {result.exit_code}"
        if result.spawn_error is not None:
            cause = str(result.spawn_error)
        self._place.log.warning(
            "agent.restart.prepare_failed",
            message=f"{step} of {request.agent} failed ({cause}); the restart is tried all the same",
            reason=cause,
            exit_code=result.exit_code,
            output=_shown(result.stderr),
            **fields,
        )

    # --- The attempt itself ---

    async def _attempt(
        self, request: ActionRequest, argv: tuple[str, ...], extra: dict[str, str], attendant: Attendant
    ) -> ActionOutcome:
        begun = self._place.clock.now().mono
        try:
            output = Output(self._place.folder, request.agent)
        except OSError as error:
            return ActionOutcome(result="failed", cause=f"no file for the output of the action: {error}")
        try:
            outcome = await self._supervised(request, argv, extra, output, attendant)
        finally:
            await output.close()
        return msgspec.structs.replace(outcome, duration_s=self._place.clock.now().mono - begun)

    async def _supervised(
        self, request: ActionRequest, argv: tuple[str, ...], extra: dict[str, str], output: Output, attendant: Attendant
    ) -> ActionOutcome:
        try:
            child = await spawn(
                argv,
                env=self._place.env(self._policy, request, extra),
                cwd=self._policy.restart.cwd,
                stdout=output.stdout,
                stderr=output.stderr,
                marker=request.action_id,
            )
        except SpawnError as error:
            return not_started(error)
        try:
            await attendant.spawned(child.pid, child.start_time)
        except BaseException:
            await self._place.end(self._policy.name, child, grace=self._place.shutdown.tree_grace())
            raise
        return await self._ended_if_cut_off(child, output, self._policy.restart.timeout)

    async def _ended_if_cut_off(self, child: Child | Orphan, output: Output, within: float) -> ActionOutcome:
        try:
            return await self._judged(child, output, within)
        except BaseException:
            # Cancelled: by the shutdown, or because a bug ended the agent's task. Nobody waits for a paid turn.
            await self._place.end(self._policy.name, child, grace=self._place.shutdown.tree_grace())
            raise

    async def _judged(self, child: Child | Orphan, output: Output, within: float) -> ActionOutcome:
        restart = self._policy.restart
        answered = False
        with anyio.move_on_after(within) as deadline:
            answered = await self._until_over(child, output)
        if deadline.cancelled_caught or answered:
            await self._place.end(self._policy.name, child, grace=self._place.shutdown.tree_grace())
        if deadline.cancelled_caught:
            cause = f"it did not end within {span(restart.timeout)} and was ended"
            return ActionOutcome(result="timed_out", cause=cause, hung=True, output_tail=_shown(await output.read_tail()))
        code = None if answered else child.returncode
        if restart.kind == "command":
            outcome = openclaw.judge_command(code, await output.read_tail(), restart.no_restart_exit_codes)
        else:
            outcome = openclaw.judge(
                code,
                await output.read_stdout(),
                await output.read_stderr(),
                no_restart_exit_codes=restart.no_restart_exit_codes,
            )
        shown = "" if outcome.result == "ok" else _shown(await output.read_tail())
        return msgspec.structs.replace(outcome, output_tail=shown)

    async def _until_over(self, child: Child | Orphan, output: Output) -> bool:
        """Wait for its exit; True if it has answered completely and does not exit."""
        seen = 0
        while True:
            with anyio.move_on_after(LOOK):
                await child.wait()
                return False
            size = await output.bound()
            if self._policy.restart.kind == "openclaw" and size != seen:
                seen = size
                if openclaw.complete_answer(await output.read_stdout()):
                    with anyio.move_on_after(openclaw.ANSWERED_GRACE):
                        await child.wait()
                        return False
                    return True


def _shown(output: bytes) -> str:
    return output[-SHOWN:].decode("utf-8", "replace").strip()
