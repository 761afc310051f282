from .envelope import EnvelopePieces as EnvelopePieces
from .envelope import Law as Law
from .monotone import DerivativePieces as DerivativePieces
from .monotone import ExponentialPieces as ExponentialPieces
from .monotone import Pieces as Pieces
from .monotone import maximise_monotone as maximise_monotone
