"""What the state of the workers and of the canary means: well, not ready, or beyond help."""

from collections.abc import Mapping

from service.batch_record import WorkerHealth
from service.watching.canary import Trial

MOST_FAILURES = 3  # calls in a row: one may be the picture's own fault, and the canary clears it at once
BEYOND_HELP = 2  # times the patience


def unready_because(workers: Mapping[str, WorkerHealth], trial: Trial, stall_s: float) -> str | None:
    """Why no requests should be sent here, None if they should. A model call may take `stall_s` seconds."""
    for name, worker in workers.items():
        if not worker.alive:
            return f"the {name} worker has died"
        if worker.running_for_s > stall_s:
            return f"the {name} has been computing for {worker.running_for_s:.0f} s"
        if worker.out_of_memory:
            return f"the {name} ran out of memory"
        if worker.failures >= MOST_FAILURES:
            return f"the {name} failed {worker.failures} times in a row"
    return None if trial.failure is None else f"the service failed on a picture of its own: {trial.failure}"


def beyond_help_because(workers: Mapping[str, WorkerHealth], trial: Trial, stall_s: float) -> str | None:
    """Why only a new process can help, None while there is hope."""
    patience_s = BEYOND_HELP * stall_s
    for name, worker in workers.items():
        if not worker.alive:
            return f"the {name} worker has died"
        if worker.running_for_s > patience_s:
            return f"the {name} hangs: it has been computing for {worker.running_for_s:.0f} s"
    if trial.failing_for_s > patience_s:
        return f"the service has failed on a picture of its own for {trial.failing_for_s:.0f} s: {trial.failure}"
    return None
