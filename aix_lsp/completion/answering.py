"""One ask's way from what it comes to, over reuse or the model, to its last update. Keeps nothing between asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from aix_lsp.backends.base import Backend, BackendUnavailable
from aix_lsp.completion.aim import Aim, aim
from aix_lsp.completion.answer import Answer
from aix_lsp.completion.asking import Asking
from aix_lsp.completion.context.gathering import Gathering
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.habits import situation
from aix_lsp.completion.ledger import Ledger
from aix_lsp.completion.live import LiveDocument
from aix_lsp.completion.requests import context_chars
from aix_lsp.completion.sources import Source, Sources
from aix_lsp.completion.suggestion import Ask, Update
from aix_lsp.settings import Settings

NOTHING = Update((), done=True)
_LOOK_S = 0.05


class Answering:
    """Answers the asks of one client."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], float],
        sources: Sources,
        gathering: Gathering,
        ledger: Ledger,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._sources = sources
        self._gathering = gathering
        self._ledger = ledger

    async def updates(
        self, ask: Ask, asking: Asking, settings: Settings, live: LiveDocument
    ) -> AsyncGenerator[Update, None]:
        """See CompletionService.suggest; `asking` is the ask's waiting side."""
        goal = aim(ask, settings, self._backend.status.model, live.typed_before(ask.cursor))
        if goal is None:
            yield NOTHING
            return
        now = situation(goal, live.manner)
        source = self._sources.find(goal, live)
        if source is None and not self._worth(goal, now):
            live.drop_strays()
            yield NOTHING
            return
        source = source or await self._begin(goal, asking, live)
        asking.watch(source.generation)
        live.drop_strays(keep=source.generation)
        answer = Answer(goal, asking)
        while True:
            asking.check()
            anew = self._sources.fails(source, goal) and not asking.late
            if anew or await self._recovered(source.generation, goal, asking):
                source = self._sources.begin(goal, live)
                asking.watch(source.generation)
            done = source.generation.finished or asking.late
            changed = answer.take(source)
            if done:
                self._ledger.answered(goal, source, answer.suggestions, now)
                if _looks_ahead(settings) and ask.channel != "popup":
                    soon = asyncio.get_running_loop().call_soon
                    soon(self._sources.look_ahead, goal, source, next(iter(answer.suggestions), None), live)
            if done or changed:
                yield Update(answer.suggestions, done)
                if done:
                    return
            else:
                await asking.wait(asking.deadline)

    def _worth(self, goal: Aim, now: str) -> bool:
        """Whether to ask the model, in the situation `now`."""
        asked = goal.ask.trigger == "invoked" or not goal.settings.adaptive_triggers
        return asked or self._ledger.habits.worth(now)

    async def _begin(self, goal: Aim, asking: Asking, live: LiveDocument) -> Source:
        """Ask the model, after a pause where typing is fast."""
        if goal.ask.trigger == "automatic":
            longest = goal.settings.wait_ms / 1000
            pause = live.rhythm.wait(self._sources.latency.value, longest, self._ledger.unwelcome)
            if pause:
                await asking.wait(min(self._clock() + pause, asking.deadline))
                asking.check()
        if takes_context(goal.settings, self._backend):
            await self._gathering.prepare(goal)
            asking.check()
        return self._sources.begin(goal, live)

    async def _recovered(self, generation: Generation, goal: Aim, asking: Asking) -> bool:
        """Whether a backend that could not generate yet has become ready before the deadline.

        The popup does not wait: an editor shows none before every server has answered.
        """
        if not isinstance(generation.error, BackendUnavailable) or goal.ask.channel == "popup":
            return False
        waited = False
        while self._backend.status.state in ("starting", "loading") and not asking.late:
            waited = True
            await asking.wait(min(asking.deadline, self._clock() + _LOOK_S))
            asking.check()
        return waited and self._backend.status.state == "ready" and not asking.late


def _looks_ahead(settings: Settings) -> bool:
    """Whether to begin with what follows a suggestion; tokens of another's server may cost money."""
    return settings.prefetch == "always" or (settings.prefetch == "auto" and not settings.url)


def takes_context(settings: Settings, backend: Backend) -> bool:
    """Whether other files are wanted in prompts."""
    return context_chars(settings, backend.status.model) > 0
