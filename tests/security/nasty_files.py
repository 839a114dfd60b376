"""The table of nasty files: each is read rightly, or refused rightly. The rows are made where their kind is."""

from nasty_bombs import bomb_rows
from nasty_colours import colour_rows
from nasty_damage import damage_rows
from nasty_frames import frame_rows
from nasty_rows import Nasty
from nasty_strangers import stranger_rows

TABLE: tuple[Nasty, ...] = (*colour_rows(), *frame_rows(), *damage_rows(), *bomb_rows(), *stranger_rows())
