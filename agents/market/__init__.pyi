from .announcement import Announcement as Announcement
from .announcement import Board as Board
from .announcement import Terms as Terms
from .ledger import Ledger as Ledger
from .model import Market as Market
from .operator import OperatorAgent as OperatorAgent
from .tables import Tables as Tables
from .user import UserAgent as UserAgent
