"""What the settings want to be observed."""

from service.errors import SettingsError
from service.observing.observer import Observer
from service.settings import Settings


def observer_of(settings: Settings) -> Observer:
    """What is off is not imported.

    Raises:
        SettingsError: traces are wanted, and what makes them is not installed.
    """
    metrics = tracing = None
    if settings.metrics == "on":
        from service.observing.metrics import Metrics

        metrics = Metrics(settings.metrics_datasets)
    if settings.traces == "on":
        try:
            from service.observing.tracing import started

            tracing = started()
        except ModuleNotFoundError as error:
            raise SettingsError(f"L2R2_TRACES is on and {error.name} is missing: pip install '.[otel]'") from None
    return Observer(metrics, tracing)
