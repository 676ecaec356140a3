"""Kills the real program again and again, and says what that cost: `python -m tests.campaign --kills 300 --seed 7`.

Half of the lives end right after their n-th system call that writes, for n = 1, 2, 3 and so on; the others after a time that
chance chooses. Exit status 1 if a promise was broken; what shows it is kept then, in the folder that is named.
"""

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.campaign.evidence import Evidence
from tests.campaign.lives import DEADLINE, Kill, Life, end_all, left_behind, reached
from tests.campaign.promises import broken, broken_at_the_end
from tests.campaign.story import Site, World

MOST_WRITES = 100
"""Writes that a life makes in its first seconds; then the count begins anew."""

LONGEST = 1.5
"""Seconds of a life that ends by chance."""


class Campaign:
    """The kills of one site, and its last life."""

    def __init__(self, root: Path, kills: list[Kill], *, together: bool) -> None:
        self.site = Site(root, together=together)
        self.evidence = Evidence(self.site)
        self.wrong: list[str] = []
        self._kills = kills

    def run(self) -> Counter[str]:
        """Do it all, and say what happened; the folder is kept if something is wrong."""
        self._go_through()
        figures = self._figures()
        if not self.wrong:
            shutil.rmtree(self.site.root)
        return figures

    def _go_through(self) -> None:
        """Kill as planned, then have everybody well and see whether everything is put right."""
        world = World(self.site)
        try:
            for number, kill in enumerate(self._kills):
                life = Life(self.site, number, kill)
                life.end()
                self.evidence.take(life)
                self.wrong = [*self.evidence.wrong, *broken(self.evidence)]
                if self.wrong:
                    return
            self._put_right(Life(self.site, len(self._kills)))
        finally:
            world.close()
            end_all(left_behind(self.site))

    def _put_right(self, life: Life) -> None:
        self._expect("nobody is told anything", lambda: bool(self.evidence.notices()))
        self.site.well.touch()
        self._expect("not everything is over", self._is_over)
        status = life.stop()
        self.evidence.take(life)
        self.wrong += [f"it ended with {status}"] if status else []
        self.wrong += [*self.evidence.wrong, *broken_at_the_end(self.evidence)]
        reached(lambda: not left_behind(self.site), 2.0)
        self.wrong += [f"left behind: {pid} {command}" for pid, command in left_behind(self.site).items()]

    def _expect(self, otherwise: str, condition: Callable[[], bool]) -> None:
        if not reached(condition, DEADLINE):
            self.wrong.append(f"{otherwise} after {DEADLINE:g} s")

    def _is_over(self) -> bool:
        snapshot = self.evidence.snapshot()
        if snapshot is None:
            return False
        fleet = snapshot["state"]["fleet"]
        return not fleet["open"] and not fleet["closing"] and all(agent["status"] == "healthy" for agent in snapshot["agents"])

    def _figures(self) -> Counter[str]:
        notices = self.evidence.notices()
        distinct = {(notice["dedup_key"], notice["sequence"]) for notice in notices}
        return Counter(
            kills=len(self._kills),
            lives=len(self._kills) + 1,
            incidents=len({notice["dedup_key"] for notice in notices}),
            shared=len({notice["dedup_key"] for notice in notices if notice["kind"] == "host" or "incidents" in notice}),
            notices=len(distinct),
            repeats=len(notices) - len(distinct),
            actions=len(self.evidence.actions()),
            workers=len(self.evidence.workers()),
            adopted=len(self.evidence.of("agent.restart.adopted")),
            interrupted=len(self.evidence.of("agent.restart.interrupted")),
        )


def plan(kills: int, seed: int) -> Iterator[Kill]:
    """When each life ends."""
    chance = random.Random(seed)
    for number in range(kills):
        if number % 2:
            yield Kill(seconds=chance.uniform(0.0, LONGEST))
        else:
            yield Kill(writes=1 + number // 2 % MOST_WRITES)


def main() -> int:
    """Run the campaign; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--per-site", type=int, default=15, help="kills of one supervisor")
    parser.add_argument("--jobs", type=int, default=3, help="sites at one time")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    kills = list(plan(options.kills, options.seed))
    parts = [kills[first : first + options.per_site] for first in range(0, len(kills), options.per_site)]
    figures, wrong = run_all(folder, parts, options.jobs)
    print(f"seed {options.seed}:", ", ".join(f"{count} {name}" for name, count in figures.items()))
    print("\n".join(wrong), end="\n" if wrong else "")
    if not wrong:
        folder.rmdir()
    return 1 if wrong else 0


def run_all(folder: Path, parts: list[list[Kill]], jobs: int) -> tuple[Counter[str], list[str]]:
    """One site for each part of the kills, so many at one time: what happened, and what is wrong."""
    figures, wrong = Counter[str](), []
    pool = ThreadPoolExecutor(jobs)
    try:
        # By turns those where each is told of by itself, and those where many are told of as one.
        campaigns = [Campaign(folder / str(number), part, together=number % 2 > 0) for number, part in enumerate(parts)]
        for campaign, done in [(campaign, pool.submit(campaign.run)) for campaign in campaigns]:
            if (error := done.exception()) is not None:
                wrong.append(f"{campaign.site.root}: {''.join(traceback.format_exception(error))}")
                continue
            figures.update(done.result())
            wrong += [f"{campaign.site.root}: {sentence}" for sentence in campaign.wrong]
    finally:
        pool.shutdown(cancel_futures=True)
    return figures, wrong


if __name__ == "__main__":
    sys.exit(main())
