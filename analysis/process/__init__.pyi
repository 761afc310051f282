from .interruption import Interruption as Interruption
from .watchdog import guarded as guarded
from .worker import WorkerContext as WorkerContext
