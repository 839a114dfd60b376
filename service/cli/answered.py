"""The answers of `l2r2 classify` on their way to a file or a terminal, and what the command's end says of them."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from service.cli.asking import Answering
from service.cli.saying import say, steps
from service.client import (
    Answer,
    ForbiddenError,
    InvalidFieldsError,
    NotFoundError,
    Outcome,
    RateLimitedError,
    ServiceUnreachable,
    UnauthorizedError,
    UnavailableError,
)
from service.errors import FileUnreadable, ServiceError

if TYPE_CHECKING:
    from service.cli.outputs import Output

ALL_ANSWERED, REFUSED, SOME_FAILED, SERVICE_GONE, INTERRUPTED = 0, 1, 3, 4, 130
FOR_ALL = (UnauthorizedError, ForbiddenError, NotFoundError, InvalidFieldsError)  # what is wrong is not the picture
GONE = (ServiceUnreachable, UnavailableError, RateLimitedError)  # after all retries
Opening = AbstractContextManager[Answering]


@dataclass
class Tally:
    answered: int = 0
    failed: int = 0

    def count(self, outcome: Outcome[str]) -> None:
        """Names a picture that failed."""
        error = outcome.error
        if error is None:
            self.answered += 1
            return
        self.failed += 1
        code, detail = (
            (error.code, error.detail) if isinstance(error, ServiceError) else (FileUnreadable.code, str(error))
        )
        say("failed", f"{outcome.asked}: {detail}", path=outcome.asked, code=code, detail=detail)

    @staticmethod
    def check(outcome: Outcome[str]) -> None:
        """Raises what is wrong with all pictures."""
        if isinstance(outcome.error, (*FOR_ALL, *GONE)):
            raise outcome.error

    @property
    def code(self) -> int:
        return SOME_FAILED if self.failed else ALL_ANSWERED


def to_file(opening: Opening, pictures: Sequence[str], output: "Output") -> int:
    """The exit code. What was answered is in the file, however this ends. Raises what is wrong with all
    pictures, where none was answered."""
    missing = [picture for picture in pictures if picture not in output.answered]
    tally, before = Tally(), len(pictures) - len(missing)
    try:
        with closing(output), opening as answering:
            if missing:
                _write(answering, missing, output, tally, len(pictures))
            output.finish(answering.labels, pictures)
    except GONE as error:
        if not tally.answered:
            raise
        return _ended("gone", f"{error.code}: {error.detail}", tally, SERVICE_GONE)
    except ServiceError as error:
        if not tally.answered:
            raise
        return _ended("error", f"{error.code}: {error.detail}", tally, REFUSED, code=error.code)
    except KeyboardInterrupt:
        return _ended("interrupted", "interrupted", tally, INTERRUPTED)
    facts = {"answered": tally.answered, "failed": tally.failed, "before": before, "file": str(output.path)}
    there = f", {before} before" if before else ""
    say("done", f"{output.path}: {tally.answered} answered{there}, {tally.failed} failed", **facts)
    return tally.code


def _write(answering: Answering, missing: Sequence[str], output: "Output", tally: Tally, total: int) -> None:
    from service.cli.outputs.rows import Record

    with steps(total, total - len(missing)) as progress, closing_all(answering.ask(missing, False)) as outcomes:
        for outcome in outcomes:
            tally.check(outcome)
            output.add(Record.of(outcome, output.question))
            tally.count(outcome)
            progress.step()
            if outcome.answer is None or tally.answered > 1:
                continue
            version = outcome.answer.dataset_version
            if output.version not in (None, version):
                words = f"the classes have changed since {output.path} was begun; --overwrite begins anew"
                say("changed", words, before=output.version, now=version)


def _ended(event: str, words: str, tally: Tally, exit_code: int, **facts: str) -> int:
    how = f"{words}; {tally.answered} answered so far are in the file, --resume goes on"
    say(event, how, detail=words, answered=tally.answered, failed=tally.failed, **facts)
    return exit_code


def to_terminal(opening: Opening, pictures: Sequence[str], as_json: bool, one: bool, overlay: Path | None) -> int:
    """The exit code. `one`: a single picture was named, whose document is laid out for people."""
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not be text; in JSON it is the escape for them
        sys.stdout.reconfigure(errors="backslashreplace")
    tally = Tally()
    with opening as answering, closing_all(answering.ask(pictures, True)) as outcomes:
        try:
            for outcome in outcomes:
                tally.check(outcome)
                tally.count(outcome)
                if outcome.answer is not None:
                    _print(outcome.asked, outcome.answer, as_json, one)
                    if overlay is not None:
                        _draw(outcome.asked, outcome.answer, overlay)
        except GONE as error:
            if not tally.answered:
                raise
            return _ended("gone", f"{error.code}: {error.detail}", tally, SERVICE_GONE)
        except KeyboardInterrupt:
            return INTERRUPTED
    return tally.code


def closing_all(outcomes: Iterator[Outcome[str]]) -> AbstractContextManager[Iterator[Outcome[str]]]:
    """Whatever ends it, nothing more is asked."""
    return closing(outcomes)  # type: ignore[type-var]  # a generator


def _print(path: str, answer: Answer, as_json: bool, one: bool) -> None:
    from service.cli.render import report

    document = answer.model_dump(mode="json")
    if not as_json:
        Console().print(report(Path(path).name if one else path, answer))
    elif one:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        typer.echo(json.dumps({"path": path, "answer": document}, ensure_ascii=False))


def _draw(path: str, answer: Answer, target: Path) -> None:
    from service.cli.render import save_overlay

    save_overlay(Path(path).read_bytes(), answer, target)
