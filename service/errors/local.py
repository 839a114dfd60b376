"""What the command line refuses on its own machine. Each is a `BadRequest` too: what was asked for cannot be done."""

from service.errors.requests import BadRequest


class FileMissing(BadRequest):
    code, title = "file_missing", "There is no such file"


class FileUnreadable(BadRequest):
    code, title = "file_unreadable", "A file cannot be read, or is not what it should be"


class OutputRefused(BadRequest):
    code, title = "output_refused", "Nothing is written there"


class PackageMissing(BadRequest):
    code, title = "package_missing", "A package that this needs is not installed"


class WorkerEnded(BadRequest):
    code, title = "worker_ended", "A process of the command's was ended"


class WrongUsage(BadRequest):
    code, title = "wrong_usage", "The command is not used like that"
